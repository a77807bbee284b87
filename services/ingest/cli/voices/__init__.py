"""`ingest voices`: the enrolled profiles."""
