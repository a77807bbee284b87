-- Totals of a million recordings, read from an index alone, and the latest recordings without sorting all of them.
DROP INDEX videos_state;
CREATE INDEX videos_totals ON videos (state, error_code, language) INCLUDE (duration_s, passages);
CREATE INDEX videos_updated ON videos (updated_at);
