"""`ingest verify`: checks citations against the kept audio."""
