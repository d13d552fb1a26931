"""HTTP: what a client sends and sees. The contract's wire formats, and one table from errors to statuses."""
