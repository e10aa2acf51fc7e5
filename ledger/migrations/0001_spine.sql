-- oldest code: 1
-- The spine's tables. Every later migration is numbered, and says on its first line the oldest code that it serves.
CREATE SCHEMA IF NOT EXISTS feedfall;

CREATE TABLE feedfall.schema (
    version     int PRIMARY KEY,
    oldest_code int NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by  text NOT NULL DEFAULT current_user
);

CREATE TABLE feedfall.run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed        text NOT NULL,
    stage       text NOT NULL,
    shard       int NOT NULL DEFAULT 0,
    uid         text NOT NULL,                  -- the Workflow's uid
    name        text NOT NULL,                  -- the Workflow's name, for people
    status      text NOT NULL DEFAULT 'RUNNING',
    exit_code   int,
    reason      text,
    counts      jsonb NOT NULL DEFAULT '{}',    -- what the RESULT line said
    code        int NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz
);
CREATE INDEX run_by_feed ON feedfall.run (feed, id DESC);

CREATE TABLE feedfall.lease (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- also the advisory lock's second number
    feed        text NOT NULL,
    stage       text NOT NULL,
    shard       int NOT NULL,
    holder      text,                           -- the Workflow's uid
    run         bigint REFERENCES feedfall.run,
    epoch       bigint NOT NULL DEFAULT 0,
    taken_at    timestamptz,
    expires_at  timestamptz,                    -- null: free
    UNIQUE (feed, stage, shard)
);

CREATE TABLE feedfall.source (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed         text NOT NULL,
    stage        text NOT NULL,
    shard        int NOT NULL,
    topic        text NOT NULL,
    topic_id     text NOT NULL,
    partition    int NOT NULL,
    markers      boolean NOT NULL,              -- may hold offsets that no client sees
    first_offset bigint NOT NULL,
    next_offset  bigint NOT NULL,
    epoch        bigint NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (feed, stage, topic, topic_id, partition),
    CHECK (next_offset >= first_offset)
);

CREATE TABLE feedfall.span (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      int NOT NULL REFERENCES feedfall.source,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,
    run         bigint NOT NULL REFERENCES feedfall.run,
    records     bigint NOT NULL,                -- messages that the client saw, counted before validation
    absent      int8multirange NOT NULL,        -- offsets that no client sees
    rows_read   bigint NOT NULL,
    loaded      bigint NOT NULL,
    superseded  bigint NOT NULL,
    duplicate   bigint NOT NULL,
    quarantined bigint NOT NULL,
    deferred    bigint NOT NULL,
    settled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (source, from_offset),
    CHECK (to_offset > from_offset)
);
CREATE INDEX span_by_run ON feedfall.span (run);

CREATE TABLE feedfall.replaced (                -- rows of an earlier run that a span's newer rows replaced
    span        bigint NOT NULL REFERENCES feedfall.span ON DELETE CASCADE,
    run         bigint NOT NULL,
    rows        bigint NOT NULL,
    PRIMARY KEY (span, run)
);

CREATE TABLE feedfall.quarantine (
    source      int NOT NULL REFERENCES feedfall.source,
    "offset"    bigint NOT NULL,
    row         int NOT NULL,                   -- within its message, from 0; -1: the whole message
    run         bigint NOT NULL REFERENCES feedfall.run,
    fate        text NOT NULL CHECK (fate IN ('quarantined', 'deferred')),
    reason      text NOT NULL,
    correlation_id uuid,
    key         bytea,
    value       bytea,                          -- the row, or the message; null where the message's value is
    headers     bytea[] NOT NULL,               -- name, value, name, value …
    sent_at     timestamptz,                    -- the message's own time
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, "offset", row)
);

CREATE TABLE feedfall.request (
    correlation_id uuid PRIMARY KEY,
    feed        text NOT NULL,
    base_date   date,
    seq         int,
    ordered     boolean NOT NULL,               -- by our pub; false: only its answer was seen
    status      text NOT NULL CHECK (status IN ('new', 'sent', 'answered', 'empty', 'refused', 'complete')),
    reason      text,
    count       bigint,                         -- rows of the whole answer, as its messages say
    settled     bigint NOT NULL DEFAULT 0,      -- of these, rows whose fate is in a span
    last_run    bigint,                         -- the sub run that settled the latest of them
    new_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at     timestamptz,
    answered_at timestamptz,
    complete_at timestamptz
);
CREATE UNIQUE INDEX request_by_key ON feedfall.request (feed, base_date, seq) WHERE ordered;

CREATE TABLE feedfall.feed_control (
    feed           text PRIMARY KEY,
    held_at        timestamptz,
    held_by        text,
    held_reason    text,
    blocked_at     timestamptz,
    blocked_code   int,
    blocked_stage  text,
    blocked_reason text,
    wait_until     timestamptz                  -- relay: a partner's quota is used up until then
);

CREATE TABLE feedfall.journal (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    who         text NOT NULL,
    verb        text NOT NULL,
    feed        text,
    reason      text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE FUNCTION feedfall.append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the journal is append only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON feedfall.journal
    FOR EACH STATEMENT EXECUTE FUNCTION feedfall.append_only();
