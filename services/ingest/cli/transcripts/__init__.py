"""`ingest show`, `export` and `correct`: transcripts to read, as files, and to correct."""
