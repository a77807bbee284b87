-- Search asks with each text configuration in use as a constant: this index finds them without reading every passage.
CREATE INDEX segments_ts_config ON segments (ts_config);
