"""`ingest compare` and `ingest rerun`: two readings of a recording, and recordings that are recognised again."""
