-- Words and names that people have given: how they are written, and how they are misspelt (`heard_as`: replaced whenever
-- passages are built). They are for all recordings, those of a channel, or those whose address begins with `source`. The
-- recognizer gets them as a file on the volume.
CREATE TABLE vocabulary (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text     text NOT NULL CHECK (text <> ''),
    heard_as text[] NOT NULL,
    channel  text,
    source   text,
    author   text NOT NULL,
    reason   text NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (channel IS NULL OR source IS NULL)
);
CREATE UNIQUE INDEX vocabulary_text ON vocabulary (lower(text), lower(coalesce(channel, '')), coalesce(source, ''));
