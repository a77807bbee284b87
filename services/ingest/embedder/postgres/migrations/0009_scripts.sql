-- Chinese, Japanese, Thai and others put no blanks between words: full text search takes each of their letters for a word,
-- and a question for a run of them is a phrase. The letters are those of `ingest.shared.scripts`. The column keeps its name
-- and is filled by the server, so that older programs write it, too; passages stored before get it here.
ALTER TABLE segments DROP COLUMN words;
ALTER TABLE segments ADD COLUMN words tsvector GENERATED ALWAYS AS (to_tsvector(ts_config, regexp_replace(
    text,
    '([\u0E00-\u109F\u1780-\u17FF\u19E0-\u19FF\uAA60-\uAA7F\u3005-\u3007\u3040-\u30FF\u3100-\u312F\u31A0-\u31BF\u31F0-\u31FF\uFF66-\uFF9F\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF])',
    ' \1 ', 'g'
))) STORED;
CREATE INDEX segments_words ON segments USING gin (words);
