"""From a transcript file to searchable rows."""
