"""A run: the recordings of a backfill, and when all of them are settled."""
