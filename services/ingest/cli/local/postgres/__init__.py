"""The embedded Postgres of the local mode: its programs, data folder, server and database."""
