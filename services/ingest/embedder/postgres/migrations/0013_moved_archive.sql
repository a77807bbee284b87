-- The trigger searched the schema in which it was made: in an archive that was moved to another schema, no recording could be
-- added. Now it reads the table beside its own.
CREATE OR REPLACE FUNCTION leave_out_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_forgotten boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.forgotten WHERE digest = $1)', TG_TABLE_SCHEMA)
        INTO is_forgotten USING sha256(convert_to(NEW.video_id, 'UTF8'));
    IF is_forgotten THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
DROP TRIGGER videos_forgotten ON videos;
CREATE TRIGGER videos_forgotten BEFORE INSERT ON videos FOR EACH ROW EXECUTE FUNCTION leave_out_forgotten();
