-- A link opens a recording 0.3 s before the word, as that of `ingest.shared.links`: the time of a word may be late by 0.2 s, and
-- a player may seek a little too far. All else is as in `0012_views.sql`.
CREATE OR REPLACE FUNCTION archive_link(kind text, url text, second double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE kind WHEN 'file' THEN 'file://' ELSE '' END
        || coalesce(string_agg(
            CASE
                WHEN kind = 'file' AND letter !~ '[A-Za-z0-9_.~/-]' OR letter !~ '[!-~]'
                THEN regexp_replace(upper(encode(convert_to(letter, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
                ELSE letter
            END, '' ORDER BY place
        ), '')
        || CASE kind WHEN 'youtube' THEN '&t=' ELSE '#t=' END || trunc(greatest(0, second - 0.3))::bigint
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
