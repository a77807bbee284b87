-- What people have said about the speakers of a recording, apart from what the voice models say: anchored in the times of the
-- turns that it is about (`others`: all other turns at that time; `alike`: those of the speaker who it is). It is applied
-- whenever passages are built and whenever speakers are named again, and goes with its recording.
CREATE TABLE speaker_statements (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id text NOT NULL REFERENCES videos ON DELETE CASCADE,
    kind     text NOT NULL CHECK (kind IN ('name', 'turn', 'not')),
    name     text NOT NULL,
    spans    double precision[] NOT NULL,
    others   double precision[] NOT NULL,
    alike    double precision[] NOT NULL,
    author   text NOT NULL,
    reason   text NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now(),
    state    text NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'right', 'needs a look'))
);
CREATE INDEX speaker_statements_video ON speaker_statements (video_id);
CREATE INDEX speaker_statements_name ON speaker_statements (lower(name));
-- Who has named the speaker of a passage by hand. Without it, a voice model has, with `speaker_score`.
ALTER TABLE segments ADD COLUMN named_by text;
