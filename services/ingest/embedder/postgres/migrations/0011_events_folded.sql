-- An event that was set aside can be folded later (`ingest aside replay`). Its row stays, with the time.
ALTER TABLE events_set_aside ADD COLUMN folded_at timestamptz;
