-- Recordings that were erased. Of an id only a checksum is kept, and a recording with that checksum is not stored again:
-- neither by a message that was on its way, nor by the next listing of its channel.
CREATE TABLE forgotten (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    at     timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION leave_out_forgotten() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM forgotten WHERE digest = sha256(convert_to(NEW.video_id, 'UTF8'))) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER videos_forgotten BEFORE INSERT ON videos FOR EACH ROW EXECUTE FUNCTION leave_out_forgotten();
