"""Decisions: pure, without I/O, clock, randomness or environment."""
