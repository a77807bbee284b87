-- A checksum of all that the speakers' names of a recording were made from, when they were last made or found right: voiceprints,
-- enrolled voices, thresholds and code, what people have said, and the passages themselves. While it is the same, `ingest voices
-- relabel` has nothing to do. It is compared, never trusted alone: who changes one of these need not know of it.
ALTER TABLE videos ADD COLUMN labelled_from text;
