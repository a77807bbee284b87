"""`ingest show` and `ingest export`: transcripts to read, and as files."""
