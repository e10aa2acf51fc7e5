-- oldest code: 1
-- A kept row may be settled again, and stays here with what became of it. Expand only: code 1 goes on draining beside
-- this; its `verify` alone would miss the rows that were settled again.
ALTER TABLE feedfall.quarantine
    ADD seq            int,                      -- of its message; null: kept by code 1, its headers tell
    ADD until          date,                     -- deferred: to this day where the feed lives
    ADD by_date        boolean NOT NULL DEFAULT false, -- quarantined for its base date: no sign of a changed contract
    ADD part           boolean NOT NULL DEFAULT false, -- a row of a message that was kept whole: the span counts the message
    ADD parts          int,                      -- split: how many rows the message gave, each an entry of its own
    ADD settled_as     text,
    ADD settled_run    bigint REFERENCES feedfall.run,
    ADD settled_at     timestamptz,
    ADD settled_by     text,
    ADD settled_reason text,
    ADD replaced_run   bigint,                   -- whose row it took the place of
    ADD CONSTRAINT quarantine_settled_as CHECK (settled_as IN ('loaded', 'superseded', 'duplicate', 'discarded', 'split')),
    ADD CONSTRAINT quarantine_settled CHECK (num_nulls(settled_as, settled_at, settled_by, settled_reason) IN (0, 4)),
    ADD CONSTRAINT quarantine_settled_run CHECK ((settled_run IS NOT NULL) = coalesce(settled_as <> 'discarded', false)),
    ADD CONSTRAINT quarantine_replaced CHECK (replaced_run IS NULL OR settled_as = 'loaded'),
    ADD CONSTRAINT quarantine_parts CHECK ((settled_as IS NOT DISTINCT FROM 'split') = (parts IS NOT NULL)),
    ADD CONSTRAINT quarantine_until CHECK (fate <> 'deferred' OR until IS NOT NULL);
CREATE INDEX quarantine_due ON feedfall.quarantine (until) WHERE settled_as IS NULL AND fate = 'deferred';
CREATE INDEX quarantine_bad ON feedfall.quarantine (source, "offset") WHERE settled_as IS NULL AND fate = 'quarantined';

ALTER TABLE feedfall.span ADD late bigint NOT NULL DEFAULT 0; -- good rows whose message came after their base date's due time

CREATE INDEX journal_by_entry ON feedfall.journal ((detail ->> 'entry')) WHERE detail ? 'entry';
