-- What the submitter knows of a recording's speakers: a later run of it is to know it, too.
ALTER TABLE videos ADD COLUMN min_speakers integer, ADD COLUMN max_speakers integer;
