-- oldest code: 1
-- Requests stand alone: relay defers one to a time, and records a batch before each of its Kafka transactions.
-- Expand only: statements of earlier code do not see either.
ALTER TABLE feedfall.request
    ADD retry_at     timestamptz,                        -- deferred by relay: not sent to the partner before
    ADD retry_reason text,                               -- why, of the last time, in the partner's words
    ADD tries        int NOT NULL DEFAULT 0,             -- how often it was deferred
    ADD deferred_at  timestamptz;                        -- the first time
CREATE INDEX request_deferred ON feedfall.request (feed, retry_at) WHERE deferred_at IS NOT NULL AND answered_at IS NULL;

CREATE TABLE feedfall.batch (                            -- one Kafka transaction of relay, committed here before it begins
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed        text NOT NULL,
    run         bigint NOT NULL REFERENCES feedfall.run,
    transactional_id text NOT NULL,
    topic       text NOT NULL,                           -- the response topic, and where it ended then, by partition
    topic_id    text NOT NULL,
    ends        bigint[] NOT NULL,
    ids         uuid[] NOT NULL,                         -- the requests whose answers it carries
    answered    uuid[],                                  -- those of them whose answers are visible; null: open
    opened_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at   timestamptz,
    closed_by   bigint REFERENCES feedfall.run,
    CHECK (num_nulls(answered, closed_at, closed_by) IN (0, 3))
);
CREATE INDEX batch_by_feed ON feedfall.batch (feed, id);
CREATE UNIQUE INDEX batch_open ON feedfall.batch (feed) WHERE closed_at IS NULL;
CREATE TRIGGER closed_stays BEFORE UPDATE ON feedfall.batch FOR EACH ROW
    WHEN (OLD.closed_at IS NOT NULL)
    EXECUTE FUNCTION feedfall.refuse('a closed batch stays as it is');
