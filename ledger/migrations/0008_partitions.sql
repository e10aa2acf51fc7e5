-- oldest code: 8
-- A partition is the unit: it has the lease, the epoch and the checkpoint; a run holds some partitions, or all of them.
-- Not expand only: code 7 shares a topic out by numbers that are gone here. Each epoch rises, so that a pod of code 7 that
-- still runs commits nothing more.
CREATE TABLE feedfall.drain (                   -- claims of a stage's partitions, one after the other
    feed        text NOT NULL,
    stage       text NOT NULL,
    claims      bigint NOT NULL DEFAULT 0,      -- how many there were; a claim that another one overtook does nothing
    PRIMARY KEY (feed, stage)
);

ALTER TABLE feedfall.run
    ADD expires_at timestamptz,                 -- of all leases that it holds; null: it holds none
    ADD partitions int[];                       -- that it has claimed; null: none, or before 0008
CREATE INDEX run_holding ON feedfall.run (id) WHERE expires_at IS NOT NULL;
DROP TRIGGER ended_stays ON feedfall.run;
CREATE TRIGGER ended_stays BEFORE UPDATE ON feedfall.run FOR EACH ROW
    WHEN (OLD.status NOT IN ('RUNNING', 'LOST')
        AND (to_jsonb(NEW) - 'expires_at') IS DISTINCT FROM (to_jsonb(OLD) - 'expires_at'))
    EXECUTE FUNCTION feedfall.refuse('a run that has ended stays as it is');

ALTER TABLE feedfall.lease
    ADD partition int,
    ADD held boolean NOT NULL DEFAULT false;    -- by `run`, until that expires; false: it was given back
ALTER TABLE feedfall.lease ALTER shard DROP NOT NULL;
INSERT INTO feedfall.drain (feed, stage) SELECT DISTINCT feed, stage FROM feedfall.lease;
INSERT INTO feedfall.lease (feed, stage, partition, epoch, run, taken_at)
SELECT s.feed, s.stage, s.partition, 1 + greatest(max(s.epoch), max(l.epoch)),
       (array_agg(l.run ORDER BY l.epoch DESC) FILTER (WHERE l.run IS NOT NULL))[1], max(l.taken_at)
FROM feedfall.source s LEFT JOIN feedfall.lease l ON l.feed = s.feed AND l.stage = s.stage
GROUP BY s.feed, s.stage, s.partition;
DELETE FROM feedfall.lease WHERE partition IS NULL;
UPDATE feedfall.source s SET epoch = l.epoch FROM feedfall.lease l
WHERE l.feed = s.feed AND l.stage = s.stage AND l.partition = s.partition;

ALTER TABLE feedfall.lease
    ALTER partition SET NOT NULL,
    DROP COLUMN shard,
    DROP COLUMN holder,
    DROP COLUMN expires_at,
    ADD UNIQUE (feed, stage, partition);
ALTER TABLE feedfall.source DROP COLUMN shard;
ALTER TABLE feedfall.run DROP COLUMN shard;
