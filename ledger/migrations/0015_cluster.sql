-- oldest code: 1
-- A source is of a cluster, too. Null: read before, or Kafka names none; the next read fills it in, and then it stays.
ALTER TABLE feedfall.source ADD cluster_id text;
CREATE TRIGGER cluster_stays BEFORE UPDATE OF cluster_id ON feedfall.source FOR EACH ROW
    WHEN (OLD.cluster_id IS NOT NULL AND NEW.cluster_id IS DISTINCT FROM OLD.cluster_id)
    EXECUTE FUNCTION feedfall.refuse('a source stays one of its cluster');
-- A feed that was moved away may come back: of a topic's partition one source is open, and those before it are closed.
ALTER TABLE feedfall.source DROP CONSTRAINT source_feed_stage_topic_topic_id_partition_key;
CREATE UNIQUE INDEX source_open ON feedfall.source (feed, stage, topic, topic_id, partition) WHERE closed_at IS NULL;
