-- How a video was asked for: a run that takes the place of a lost one is to keep it.
ALTER TABLE videos ADD COLUMN policy jsonb NOT NULL DEFAULT '{}', ADD COLUMN fresh_from bigint NOT NULL DEFAULT 0;
