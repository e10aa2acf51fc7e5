-- oldest code: 1
-- Which leader a checkpoint was read from: a log that lost its tail and has grown again is told from the one that was read.
ALTER TABLE feedfall.source ADD COLUMN leader_epoch int; -- Kafka's, of next_offset; null: not known
