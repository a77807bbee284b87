-- What became of the changes that readers of the archive wanted: the page asks the embedder by a message, and reads the
-- result here. A row says what was done, not to whom: nothing in it has to be forgotten.
CREATE TABLE changes (
    change_id text PRIMARY KEY CHECK (change_id ~ '^[A-Za-z0-9_-]{11}$'),
    is_done   boolean NOT NULL,
    result    text NOT NULL,
    done_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_done_at ON changes (done_at);
