-- Speakers are looked for whatever their upper and lower case: the index has to be on that, too.
DROP INDEX segments_speaker;
CREATE INDEX segments_speaker ON segments (lower(speaker)) WHERE speaker IS NOT NULL;
