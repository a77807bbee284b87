"""`ingest vocabulary`: words and names that are expected, and what is always misspelt."""
