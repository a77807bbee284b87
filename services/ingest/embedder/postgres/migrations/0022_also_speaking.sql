-- Who speaks at the same time as the speaker of a passage: `is_overlap` says that others do, and not who. Of stored passages
-- it is empty until their recording is indexed, or its speakers are named, again.
ALTER TABLE segments ADD COLUMN also_speaking text[] NOT NULL DEFAULT '{}';
CREATE OR REPLACE VIEW archive_passages AS
SELECT segments.video_id AS recording, idx AS index, title, channel, published_at, language,
    start_s, end_s, text, speaker, speaker_score::double precision AS score, is_overlap, flags,
    archive_link(coalesce(source_kind, ''), source_url, start_s) AS link,
    ts_config AS text_search, words, also_speaking
FROM segments LEFT JOIN videos USING (video_id);
