-- oldest code: 1
-- What the desk asks of all feeds at once, every two seconds: each question by an index. Expand only.
CREATE INDEX run_latest ON feedfall.run (feed, stage, id DESC);
CREATE INDEX run_trouble ON feedfall.run (started_at) WHERE status IN ('FAILED', 'LOST', 'BROKEN');
CREATE INDEX request_unanswered ON feedfall.request (feed, sent_at) WHERE answered_at IS NULL;
CREATE INDEX quarantine_open ON feedfall.quarantine (source, fate, at) WHERE settled_as IS NULL;
CREATE INDEX journal_by_feed ON feedfall.journal (feed, id DESC);
CREATE INDEX journal_by_time ON feedfall.journal USING brin (at);

ALTER TABLE feedfall.sweep ADD lag jsonb;       -- feed → offsets that wait for sub, of the feeds whose topics it read
