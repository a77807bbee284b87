-- What people have corrected, apart from what was recognised: it is applied whenever passages are built, so that it outlives
-- every later run. `expected` are the words that are replaced, between these two neighbours. `state` and `found` say what
-- became of it in the present text. It goes with its recording. One command can correct many places: these have one `batch`.
CREATE TABLE corrections (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id    text NOT NULL REFERENCES videos ON DELETE CASCADE,
    start_s     double precision NOT NULL,
    end_s       double precision NOT NULL,
    expected    text NOT NULL CHECK (expected <> ''),
    replacement text NOT NULL CHECK (replacement <> ''),
    before      text NOT NULL,
    after       text NOT NULL,
    author      text NOT NULL,
    reason      text NOT NULL,
    batch       uuid NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT now(),
    state       text NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'right', 'needs a look')),
    found       text NOT NULL DEFAULT '',
    CHECK (start_s >= 0 AND end_s >= start_s)
);
CREATE INDEX corrections_video ON corrections (video_id);
CREATE INDEX corrections_batch ON corrections (batch);
CREATE INDEX corrections_state ON corrections (state) WHERE state = 'needs a look';
