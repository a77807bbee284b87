-- The roles that may log in to the archive. Run it once in the database `ingest`, as a role that may create roles. On the
-- server of the chart that is ingest_owner, which also runs the migrations:
--   EMBEDDER_PASSWORD=... READER_PASSWORD=... psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f roles.sql
-- `ingest migrate` grants the rights on tables (services/ingest/embedder/postgres/rights.sql).
\getenv embedder_password EMBEDDER_PASSWORD
\getenv reader_password READER_PASSWORD
CREATE ROLE ingest_embedder LOGIN PASSWORD :'embedder_password';
CREATE ROLE ingest_reader LOGIN PASSWORD :'reader_password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- Neither temporary tables nor large objects: they would fill the disk. Only a superuser can revoke the latter; another role
-- gets warnings here.
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ingest_embedder, ingest_reader;
