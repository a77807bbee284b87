-- Views for analysts: names, columns and meanings stay when the tables change (docs/sql.md). They are in the schema of the
-- archive, and not in one called `archive`: a database can have several archives, and the role that migrates may have no
-- right to create a schema. A role that can read only the views sees no address with a login or a token.

-- The address that opens a recording at a second, as `ingest.shared.links` makes it. It has neither login nor query: which
-- parameters of a query are secrets cannot be decided here. An address of YouTube has only the id of the video.
CREATE FUNCTION archive_link(kind text, url text, second double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE kind WHEN 'file' THEN 'file://' ELSE '' END
        || coalesce(string_agg(
            CASE
                WHEN kind = 'file' AND letter !~ '[A-Za-z0-9_.~/-]' OR letter !~ '[!-~]'
                THEN regexp_replace(upper(encode(convert_to(letter, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
                ELSE letter
            END, '' ORDER BY place
        ), '')
        || CASE kind WHEN 'youtube' THEN '&t=' ELSE '#t=' END || trunc(second)::bigint
        || CASE kind WHEN 'youtube' THEN 's' ELSE '' END
    FROM regexp_split_to_table(
        CASE
            WHEN kind = 'file' OR kind = 'youtube' AND url ~ '^https://www\.youtube\.com/watch\?v=[A-Za-z0-9_-]{11}$' THEN url
            ELSE regexp_replace(
                regexp_replace(split_part(url, '#', 1), '([a-z0-9+.-]+://)[^/?#\s"\\]+@', '\1', 'gi'), '\?.*', '?***'
            )
        END, ''
    ) WITH ORDINALITY AS letters (letter, place)
    HAVING url IS NOT NULL
$$;

CREATE VIEW archive_recordings AS
SELECT video_id AS recording, title, channel, published_at, duration_s, language, state,
    CASE WHEN state <> 'indexed' THEN error_code END AS code,
    coalesce(passages, 0) AS passages,
    source_kind AS source,
    archive_link(coalesce(source_kind, ''), source_url, 0) AS link,
    created_at AS added_at, updated_at
FROM videos;

CREATE VIEW archive_passages AS
SELECT segments.video_id AS recording, idx AS index, title, channel, published_at, language,
    start_s, end_s, text, speaker, speaker_score::double precision AS score, is_overlap, flags,
    archive_link(coalesce(source_kind, ''), source_url, start_s) AS link,
    ts_config AS text_search, words
FROM segments LEFT JOIN videos USING (video_id);

CREATE VIEW archive_speakers AS
SELECT speaker, count(DISTINCT video_id) AS recordings, count(*) AS passages, sum(end_s - start_s) AS seconds,
    min(published_at) AS first_published_at, max(published_at) AS last_published_at
FROM segments LEFT JOIN videos USING (video_id)
WHERE speaker IS NOT NULL AND speaker !~ '^Unknown [0-9]+$'
GROUP BY speaker;
