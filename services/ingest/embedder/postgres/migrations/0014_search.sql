-- Search in bounded time. Postgres keeps statistics of an expression only for an index without condition: without them, a
-- speaker of a fifth of all passages was taken for a rare one. The dates and languages of recordings get indexes, and so do
-- the words of titles and channels.
DROP INDEX segments_speaker;
CREATE INDEX segments_speaker ON segments (left(lower(speaker), 200));
CREATE INDEX videos_published ON videos (published_at);
CREATE INDEX videos_language ON videos (language);
ALTER TABLE videos ADD COLUMN title_words tsvector GENERATED ALWAYS AS (to_tsvector('simple', regexp_replace(
    coalesce(title, '') || ' ' || coalesce(channel, ''),
    '([\u0E00-\u109F\u1780-\u17FF\u19E0-\u19FF\uAA60-\uAA7F\u3005-\u3007\u3040-\u30FF\u3100-\u312F\u31A0-\u31BF\u31F0-\u31FF\uFF66-\uFF9F\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF])',
    ' \1 ', 'g'
))) STORED;
CREATE INDEX videos_title_words ON videos USING gin (title_words);
ANALYZE segments;
ANALYZE videos;
