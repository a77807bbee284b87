-- What identifies the files of a model. NULL: the key was stored by a version that knew only their names and sizes.
ALTER TABLE models ADD COLUMN content_id text;
