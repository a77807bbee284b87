-- Who may come into the archive; run once in the database `ingest` by one who may create roles, as ingest_owner, who also
-- runs the migrations, may on a server of its own:
--   EMBEDDER_PASSWORD=... READER_PASSWORD=... psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f roles.sql
-- What each may do there is given by `ingest migrate`, table by table (services/ingest/embedder/rights.sql).
\getenv embedder_password EMBEDDER_PASSWORD
\getenv reader_password READER_PASSWORD
CREATE ROLE ingest_embedder LOGIN PASSWORD :'embedder_password';
CREATE ROLE ingest_reader LOGIN PASSWORD :'reader_password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ingest_embedder, ingest_reader;
