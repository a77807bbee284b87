-- The archive: one row for each video, its passages, and their vectors for any number of models.
CREATE EXTENSION IF NOT EXISTS vector;

-- What is known about a video. The ledger folds events into it; `indexed_generation` is the fence of the embedder:
-- rows of an older run never replace those of a newer one.
CREATE TABLE videos (
    video_id           text PRIMARY KEY CHECK (video_id ~ '^[A-Za-z0-9_-]{11}$'),
    generation         bigint NOT NULL DEFAULT 1,
    indexed_generation bigint NOT NULL DEFAULT 0,
    state              text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'postponed', 'indexed', 'failed', 'skipped', 'deferred')),
    stage              text NOT NULL DEFAULT 'check' CHECK (stage IN ('check', 'download', 'asr', 'embedder')),
    attempts           integer NOT NULL DEFAULT 0,
    error_code         text,
    error_message      text,
    retry_at           timestamptz,
    source_kind        text,
    source_url         text,
    title              text,
    channel            text,
    published_at       timestamptz,
    duration_s         double precision,
    language           text,
    passages           integer,
    figures            jsonb NOT NULL DEFAULT '{}',
    event_epoch        bigint NOT NULL DEFAULT 0,
    event_sequence     bigint NOT NULL DEFAULT 0,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX videos_state ON videos (state, error_code);
CREATE INDEX videos_channel ON videos (channel, published_at);

-- Passages. `sentence_offsets` and `sentence_starts_s` say where in the text, and when, each sentence begins.
CREATE TABLE segments (
    video_id          text NOT NULL REFERENCES videos ON DELETE CASCADE,
    idx               integer NOT NULL,
    start_s           double precision NOT NULL,
    end_s             double precision NOT NULL,
    text              text NOT NULL,
    speaker           text,
    speaker_score     real,
    is_overlap        boolean NOT NULL DEFAULT false,
    sentence_offsets  integer[] NOT NULL,
    sentence_starts_s double precision[] NOT NULL,
    avg_logprob       real NOT NULL,
    compression_ratio real NOT NULL,
    no_speech_prob    real NOT NULL,
    refined           boolean NOT NULL,
    flags             text[] NOT NULL,
    ts_config         regconfig NOT NULL,
    words             tsvector GENERATED ALWAYS AS (to_tsvector(ts_config, text)) STORED,
    PRIMARY KEY (video_id, idx),
    CHECK (start_s >= 0 AND end_s >= start_s)
);
CREATE INDEX segments_words ON segments USING gin (words);
CREATE INDEX segments_speaker ON segments (speaker) WHERE speaker IS NOT NULL;

-- Which models have written vectors, and how long these are.
CREATE TABLE models (
    model      text PRIMARY KEY,
    dimensions integer NOT NULL CHECK (dimensions > 0)
);

-- Vectors, in half precision: half the space and a smaller index at the same recall. The approximate index (HNSW) of a
-- model is built by `ingest migrate --index`, after a bulk load.
CREATE TABLE embeddings (
    video_id  text NOT NULL,
    idx       integer NOT NULL,
    model     text NOT NULL REFERENCES models,
    embedding halfvec NOT NULL,
    PRIMARY KEY (video_id, idx, model),
    FOREIGN KEY (video_id, idx) REFERENCES segments ON DELETE CASCADE
);
