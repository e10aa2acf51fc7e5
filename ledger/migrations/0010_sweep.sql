-- oldest code: 1
-- The sweep's heartbeat: when it came to its end last, and when last without a fault. Expand only.
CREATE TABLE feedfall.sweep (
    single       boolean PRIMARY KEY DEFAULT true CHECK (single), -- one row
    ended_at     timestamptz NOT NULL,
    run          bigint NOT NULL REFERENCES feedfall.run,
    good_at      timestamptz,                   -- likewise, where every feed and every part was served
    good_run     bigint REFERENCES feedfall.run
);
