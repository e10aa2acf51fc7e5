-- oldest code: 1
-- What a person steers: orders kept during a hold, withdrawn requests, corrections of settled entries; and the logs of
-- failed runs. Expand only: code before it sends a withdrawn request all the same, and its answer is loaded.
ALTER TABLE feedfall.request
    ADD kept_at      timestamptz,                        -- ordered while the feed was held or blocked: sent when it is free
    ADD withdrawn_at timestamptz,                        -- a person took it back; an answer that comes all the same is loaded
    ADD withdrawn_by text,
    ADD withdrawn_reason text,
    DROP CONSTRAINT request_status_check,
    ADD CONSTRAINT request_status_check
        CHECK (status IN ('new', 'sent', 'answered', 'empty', 'refused', 'complete', 'withdrawn')),
    ADD CONSTRAINT request_withdrawn CHECK (num_nulls(withdrawn_at, withdrawn_by, withdrawn_reason) IN (0, 3)),
    ADD CONSTRAINT request_withdrawn_status
        CHECK (CASE WHEN withdrawn_at IS NULL THEN status <> 'withdrawn' ELSE status NOT IN ('new', 'sent') END);
CREATE INDEX request_unsent ON feedfall.request (feed, new_at) WHERE ordered AND sent_at IS NULL;
CREATE INDEX request_withdrawn_by_feed ON feedfall.request (feed) WHERE withdrawn_at IS NOT NULL;

DROP TRIGGER only_forward ON feedfall.request;
CREATE TRIGGER only_forward BEFORE UPDATE ON feedfall.request FOR EACH ROW
    WHEN (NEW.settled < OLD.settled OR NEW.repeated < OLD.repeated
        OR (OLD.ordered AND (NEW.ordered, NEW.base_date, NEW.seq) IS DISTINCT FROM (OLD.ordered, OLD.base_date, OLD.seq))
        OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS NULL)
        OR (OLD.answered_at IS NOT NULL AND NEW.answered_at IS NULL)
        OR (OLD.complete_at IS NOT NULL AND NEW.complete_at IS NULL)
        OR ((OLD.withdrawn_at IS NOT NULL OR (OLD.answered_at IS NOT NULL AND NEW.withdrawn_at IS NOT NULL))
            AND (NEW.withdrawn_at, NEW.withdrawn_by, NEW.withdrawn_reason)
                IS DISTINCT FROM (OLD.withdrawn_at, OLD.withdrawn_by, OLD.withdrawn_reason)))
    EXECUTE FUNCTION feedfall.refuse('what was sent, answered, complete or withdrawn stays so');

CREATE TABLE feedfall.correction (                       -- a better value for an entry of quarantine that was resolved
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       int NOT NULL,
    "offset"     bigint NOT NULL,
    row          int NOT NULL,
    run          bigint NOT NULL REFERENCES feedfall.run,
    value        bytea NOT NULL,
    seq          int NOT NULL,                           -- with which it is in the table: one more than its message's
    sent_at      timestamptz NOT NULL,                   -- likewise: its message's time, and a millisecond a correction
    became       text NOT NULL CHECK (became IN ('loaded', 'superseded', 'duplicate')),
    replaced_run bigint,                                 -- whose row it took the place of
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    who          text NOT NULL,
    reason       text NOT NULL,
    role         text NOT NULL DEFAULT session_user,
    FOREIGN KEY (source, "offset", row) REFERENCES feedfall.quarantine,
    CHECK (replaced_run IS NULL OR became = 'loaded')
);
CREATE INDEX correction_by_entry ON feedfall.correction (source, "offset", row);
CREATE TRIGGER stays BEFORE UPDATE ON feedfall.correction FOR EACH ROW
    EXECUTE FUNCTION feedfall.refuse('a correction stays as it is');

CREATE TABLE feedfall.run_log (                          -- the last lines of runs that failed; the newest of each feed
    run          bigint PRIMARY KEY REFERENCES feedfall.run,
    feed         text NOT NULL,
    lines        text NOT NULL CHECK (octet_length(lines) <= 65536),
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX run_log_by_feed ON feedfall.run_log (feed, run);
