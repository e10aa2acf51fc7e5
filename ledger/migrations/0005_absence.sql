-- oldest code: 1
-- What was expected and is not there, and what the world outside is told of it.
CREATE TABLE feedfall.watched (
    feed         text PRIMARY KEY,
    since        timestamptz NOT NULL           -- what was due before a sweep first saw the feed is nobody's fault
);

CREATE TABLE feedfall.absence (
    subject      text NOT NULL,                 -- a feed, or "calendar TARGET" where its table does not cover the day
    base_date    date NOT NULL,
    due_at       timestamptz NOT NULL,
    found        text NOT NULL,                 -- what was found instead, in a word of steps/absence.py
    words        text NOT NULL,                 -- and in a sentence
    reported_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at    timestamptz,                   -- its rows have come
    PRIMARY KEY (subject, base_date)            -- reported once
);
CREATE INDEX absence_open ON feedfall.absence (base_date) WHERE closed_at IS NULL;

CREATE TABLE feedfall.notice (                  -- what a webhook is to tell; written with what it tells of
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subject      text NOT NULL,
    base_date    date NOT NULL,
    body         jsonb NOT NULL,
    made_at      timestamptz NOT NULL,
    tries        int NOT NULL DEFAULT 0,
    trouble      text,                          -- why it could not be delivered so far
    delivered_at timestamptz,
    given_up_at  timestamptz
);
CREATE INDEX notice_pending ON feedfall.notice (made_at, id) WHERE delivered_at IS NULL AND given_up_at IS NULL;

CREATE INDEX request_by_date ON feedfall.request (feed, base_date);
CREATE INDEX quarantine_by_answer ON feedfall.quarantine (correlation_id) WHERE correlation_id IS NOT NULL;
