-- Who may do what with the tables: given again after every migration, to the roles of roles.sql that are there.
-- The embedder writes rows and may not delete a video; the command line reads. Neither changes the schema.
DO $$
BEGIN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'videos'::regclass), 'USAGE') THEN
        RETURN; -- whoever does not own the tables has nothing to give
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingest_embedder') THEN
        REVOKE ALL ON videos, segments, models, embeddings, migrations FROM ingest_embedder;
        GRANT SELECT, INSERT, UPDATE ON videos TO ingest_embedder;
        GRANT SELECT, INSERT, DELETE, UPDATE (speaker, speaker_score) ON segments TO ingest_embedder;
        GRANT SELECT, INSERT ON models, embeddings TO ingest_embedder; -- vectors go with their segments
        GRANT SELECT ON migrations TO ingest_embedder;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingest_reader') THEN
        REVOKE ALL ON videos, segments, models, embeddings, migrations FROM ingest_reader;
        GRANT SELECT ON videos, segments, models, embeddings, migrations TO ingest_reader;
    END IF;
END
$$;
