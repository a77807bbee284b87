-- Whether people have changed something of a recording that its passages do not have yet: a command may be interrupted
-- between the change and the new passages. The next command that changes something finishes it.
ALTER TABLE videos ADD COLUMN is_rebuild_due boolean NOT NULL DEFAULT false;
CREATE INDEX videos_rebuild_due ON videos (video_id) WHERE is_rebuild_due;
