"""The truth of a node: every log it holds, in SQLite or PostgreSQL, and the key files beside it."""
