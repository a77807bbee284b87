-- Where the day of a recording is from: its submitter (given), its site or feed (site), the media file (file), or its name
-- (name); NULL where an earlier version has not stored it. And what the source says about a recording for its readers:
-- description, chapters, persons, season, episode, thumbnail.
ALTER TABLE videos
    ADD COLUMN date_source text CHECK (date_source IN ('given', 'site', 'file', 'name')),
    ADD COLUMN about jsonb;
