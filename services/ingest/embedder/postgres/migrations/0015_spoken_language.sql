-- The language that the submitter gave, and the one that is likely by the source: a later run of the recording is to know
-- them, too. The column `language` is the one in which it was transcribed.
ALTER TABLE videos ADD COLUMN given_language text, ADD COLUMN likely_language text;
