-- When a video was last requested. It was stored among the figures, and is none.
ALTER TABLE videos ADD COLUMN asked_at timestamptz;
UPDATE videos SET asked_at = to_timestamp((figures ->> 'asked_at')::float8), figures = figures - 'asked_at'
WHERE figures ? 'asked_at';
