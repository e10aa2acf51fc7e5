-- oldest code: 1
-- Rights by duty: what GRANTs of columns (`ledger/rights.sql`) cannot say, triggers say. The owner of the tables may still
-- do all of it. Expand only: statements of earlier code pass every trigger.
ALTER TABLE feedfall.journal ADD role text;              -- the login that wrote it, by the server's word; null: before 0007
ALTER TABLE feedfall.journal ALTER role SET DEFAULT session_user;
ALTER TABLE feedfall.gap ADD role text;
ALTER TABLE feedfall.gap ALTER role SET DEFAULT session_user;
ALTER TABLE feedfall.calendar_override ADD role text;
ALTER TABLE feedfall.calendar_override ALTER role SET DEFAULT session_user;

ALTER TABLE feedfall.quarantine
    ADD first_fate   text,                               -- as it was set aside first; null: before 0007
    ADD first_reason text;

ALTER TABLE feedfall.request ADD repeated bigint NOT NULL DEFAULT 0; -- rows of its answer that its publisher sent again

CREATE FUNCTION feedfall.remember_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.first_fate := NEW.fate;
    NEW.first_reason := NEW.reason;
    RETURN NEW;
END $$;
CREATE TRIGGER first BEFORE INSERT ON feedfall.quarantine FOR EACH ROW EXECUTE FUNCTION feedfall.remember_first();

CREATE FUNCTION feedfall.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
END $$;

-- An operator is whoever may hold a feed.
CREATE FUNCTION feedfall.is_operator() RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT has_column_privilege('feedfall.feed_control', 'held_at', 'UPDATE') $$;

CREATE TRIGGER ended_stays BEFORE UPDATE ON feedfall.run FOR EACH ROW
    WHEN (OLD.status NOT IN ('RUNNING', 'LOST'))
    EXECUTE FUNCTION feedfall.refuse('a run that has ended stays as it is');

CREATE TRIGGER only_forward BEFORE UPDATE ON feedfall.lease FOR EACH ROW
    WHEN (NEW.epoch < OLD.epoch)
    EXECUTE FUNCTION feedfall.refuse('an epoch never decreases');

CREATE TRIGGER only_forward BEFORE UPDATE ON feedfall.source FOR EACH ROW
    WHEN (NEW.next_offset < OLD.next_offset OR NEW.epoch < OLD.epoch
        OR (OLD.closed_at IS NOT NULL
            AND (NEW.next_offset, NEW.closed_at) IS DISTINCT FROM (OLD.next_offset, OLD.closed_at)))
    EXECUTE FUNCTION feedfall.refuse('a checkpoint and its epoch never go back, and a closed source stays closed');

CREATE TRIGGER only_forward BEFORE UPDATE ON feedfall.request FOR EACH ROW
    WHEN (NEW.settled < OLD.settled OR NEW.repeated < OLD.repeated
        OR (OLD.ordered AND (NEW.ordered, NEW.base_date, NEW.seq) IS DISTINCT FROM (OLD.ordered, OLD.base_date, OLD.seq))
        OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS NULL)
        OR (OLD.answered_at IS NOT NULL AND NEW.answered_at IS NULL)
        OR (OLD.complete_at IS NOT NULL AND NEW.complete_at IS NULL))
    EXECUTE FUNCTION feedfall.refuse('what was sent, answered or complete stays so');

CREATE TRIGGER resolved_stays BEFORE UPDATE ON feedfall.quarantine FOR EACH ROW
    WHEN (OLD.settled_as IS NOT NULL)
    EXECUTE FUNCTION feedfall.refuse('a resolved entry of quarantine stays as it is');

-- A pod releases deferred rows. Quarantined rows wait for a person.
CREATE TRIGGER for_operators BEFORE UPDATE ON feedfall.quarantine FOR EACH ROW
    WHEN ((OLD.fate <> 'deferred' OR NEW.settled_as = 'discarded') AND NOT feedfall.is_operator())
    EXECUTE FUNCTION feedfall.refuse('only an operator resolves a quarantined entry');

-- A pod blocks a feed. A person frees it.
CREATE TRIGGER for_operators BEFORE UPDATE ON feedfall.feed_control FOR EACH ROW
    WHEN (OLD.blocked_at IS NOT NULL AND NOT feedfall.is_operator()
        AND (NEW.blocked_at, NEW.blocked_code, NEW.blocked_stage, NEW.blocked_reason)
            IS DISTINCT FROM (OLD.blocked_at, OLD.blocked_code, OLD.blocked_stage, OLD.blocked_reason))
    EXECUTE FUNCTION feedfall.refuse('only an operator lifts a block');
