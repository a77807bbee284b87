-- A result of a change names words and speakers ("'Jon' is 'John' now"): `ingest forget` erases it with the recording.
-- The pages that waited for the results of an hour ago have read them.
ALTER TABLE changes ADD COLUMN video_id text;
DELETE FROM changes WHERE done_at < now() - interval '1 hour';
CREATE INDEX changes_video ON changes (video_id);
