-- Rights on the tables, granted after every migration to those roles of roles.sql that exist.
-- The embedder writes rows and may not delete a video; the command line reads. Neither changes the schema.
DO $$
DECLARE
    own_schema boolean;
    view text;
BEGIN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'videos'::regclass), 'USAGE') THEN
        RETURN; -- only the owner of the tables can grant rights
    END IF;
    own_schema := pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = current_schema()), 'USAGE');
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingest_embedder') THEN
        IF own_schema THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO ingest_embedder', current_schema());
        END IF;
        REVOKE ALL ON videos, segments, models, embeddings, migrations, events_set_aside, forgotten, corrections,
                speaker_statements, changes, vocabulary
            FROM ingest_embedder;
        GRANT SELECT, INSERT ON videos TO ingest_embedder;
        EXECUTE (SELECT format('GRANT UPDATE (%s) ON videos TO ingest_embedder', string_agg(quote_ident(attname), ', '))
            FROM pg_attribute WHERE attrelid = 'videos'::regclass AND attnum > 0 AND NOT attisdropped
            AND attname <> 'video_id'); -- its key stays: files, messages and passages name it
        GRANT SELECT, INSERT, DELETE, UPDATE (speaker, speaker_score, named_by, also_speaking) ON segments TO ingest_embedder;
        GRANT SELECT, INSERT, UPDATE (sentences) ON embeddings TO ingest_embedder; -- deleted with their segments
        GRANT SELECT, INSERT, UPDATE (content_id) ON models TO ingest_embedder;
        GRANT SELECT, INSERT, DELETE, UPDATE (state, found) ON corrections TO ingest_embedder;
        GRANT SELECT, INSERT, DELETE, UPDATE (state) ON speaker_statements TO ingest_embedder;
        GRANT SELECT, INSERT, DELETE, UPDATE (text, heard_as, author, reason, made_at) ON vocabulary TO ingest_embedder;
        GRANT SELECT ON migrations, forgotten TO ingest_embedder;
        GRANT SELECT, INSERT, UPDATE (folded_at) ON events_set_aside TO ingest_embedder;
        GRANT SELECT, INSERT, DELETE ON changes TO ingest_embedder;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingest_reader') THEN
        IF own_schema THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO ingest_reader', current_schema());
        END IF;
        REVOKE ALL ON videos, segments, models, embeddings, migrations, events_set_aside, forgotten, corrections,
                speaker_statements, changes, vocabulary
            FROM ingest_reader;
        GRANT SELECT ON videos, segments, models, embeddings, migrations, events_set_aside, forgotten, corrections,
                speaker_statements, changes, vocabulary
            TO ingest_reader;
        FOREACH view IN ARRAY ARRAY['archive_recordings', 'archive_passages', 'archive_speakers'] LOOP
            IF to_regclass(view) IS NOT NULL THEN -- it stays behind when only the tables are moved to another schema
                EXECUTE format('GRANT SELECT ON %I TO ingest_reader', view);
            END IF;
        END LOOP;
    END IF;
END
$$;
