"""Embedge: one OpenAI-compatible URL, in your own AWS account, for every embedding model."""
