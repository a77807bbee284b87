-- Text, dates and numbers of sources are bounded where they enter. Rows of earlier versions are brought within the same
-- bounds (ingest.shared.bounds), and no index holds text of unbounded length: one row could not be written otherwise, and
-- with it no other.
DROP INDEX videos_channel;
CREATE INDEX videos_channel ON videos (left(lower(channel), 200), published_at);
DROP INDEX segments_speaker;
CREATE INDEX segments_speaker ON segments (left(lower(speaker), 200)) WHERE speaker IS NOT NULL;
ALTER TABLE models ADD CONSTRAINT models_model_length CHECK (length(model) <= 500) NOT VALID;

UPDATE videos SET
    title = left(title, 500),
    channel = left(channel, 200),
    error_message = left(error_message, 2000),
    published_at = CASE WHEN published_at BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days' THEN published_at END,
    retry_at = CASE WHEN retry_at BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days' THEN retry_at END,
    asked_at = CASE WHEN asked_at BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days' THEN asked_at END,
    updated_at = CASE WHEN updated_at BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days' THEN updated_at
        ELSE now() END,
    duration_s = CASE WHEN duration_s < 366 * 24 * 3600.0 THEN duration_s END,
    generation = least(generation, 9007198180999168), -- 2^53 - 2^30: later runs still have numbers
    indexed_generation = least(indexed_generation, 9007198180999168),
    fresh_from = least(fresh_from, 9007198180999168),
    figures = CASE WHEN figures::text ~ '[^0-9.][0-9]{16}'
        THEN coalesce((
            SELECT jsonb_object_agg(name, greatest(least(number::text::numeric, 1e15), -1e15))
            FROM jsonb_each(figures) AS figure (name, number) WHERE jsonb_typeof(number) = 'number'
        ), '{}') ELSE figures END
WHERE length(title) > 500 OR length(channel) > 200 OR length(error_message) > 2000
    OR published_at NOT BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days'
    OR asked_at NOT BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days'
    OR updated_at NOT BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days'
    OR retry_at NOT BETWEEN '1900-01-01 00:00Z' AND now() + interval '3653 days'
    OR duration_s >= 366 * 24 * 3600.0
    OR generation > 9007198180999168 OR indexed_generation > 9007198180999168 OR fresh_from > 9007198180999168
    OR figures::text ~ '[^0-9.][0-9]{16}';

-- Events that the ledger could not write, with the reason.
CREATE TABLE events_set_aside (
    epoch    bigint NOT NULL,
    sequence bigint NOT NULL,
    video_id text,
    reason   text NOT NULL,
    payload  bytea NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (epoch, sequence)
);
