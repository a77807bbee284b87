"""The database: its address, the pool of connections, what it needs of the server, migrations and indexes."""
