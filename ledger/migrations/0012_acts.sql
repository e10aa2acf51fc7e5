-- oldest code: 1
-- A person's act has two lines at least: its intent, committed before it, and its outcome. Approvals and acceptances.
-- Expand only: lines of earlier code have none of the new columns.
ALTER TABLE feedfall.journal
    ADD act       uuid,                          -- what the lines of one act have in common; null: a line of no act
    ADD phase     text CHECK (phase IN ('intent', 'done', 'refused', 'failed')), -- null: what an act changed, one line a thing
    ADD signed_in text,                          -- whom the machine or the identity provider knew; `who` may be another name
    ADD acted_as  text CHECK (acted_as IN ('viewer', 'operator', 'approver')),
    ADD channel   text CHECK (channel IN ('command', 'api', 'board')),
    ADD address   text,                          -- from where
    ADD before    jsonb,
    ADD after     jsonb,
    ADD words     text,                          -- of an outcome: why it was refused or failed
    ADD ticket    text,                          -- break-glass: without a second person
    ADD approval  bigint,                        -- the second person's decision
    ADD CONSTRAINT journal_act CHECK (phase IS NULL
        OR (num_nulls(act, signed_in, acted_as, channel, address) = 0 AND reason ~ '[^[:space:]]'));
CREATE UNIQUE INDEX journal_intent ON feedfall.journal (act) WHERE phase = 'intent';
CREATE UNIQUE INDEX journal_outcome ON feedfall.journal (act) WHERE phase IN ('done', 'refused', 'failed');

CREATE OR REPLACE FUNCTION feedfall.append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the % is append only', TG_TABLE_NAME; END $$;

ALTER TABLE feedfall.feed_control
    ADD held_signed_in text,                     -- whose hold it is: both names
    ADD held_with_all  boolean NOT NULL DEFAULT false; -- by `hold --all`: `free --all` of the same person lifts it

CREATE TABLE feedfall.approval (                 -- an act that needs a second person: frozen until it is decided
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verb        text NOT NULL,
    feed        text,                            -- null: of all feeds
    arguments   jsonb NOT NULL,
    preview     text NOT NULL,                   -- what was shown to who asked
    digest      text NOT NULL,                   -- of the facts behind it: another one is another world
    reason      text NOT NULL CHECK (reason ~ '[^[:space:]]'),
    asked_by        text NOT NULL,
    asked_signed_in text NOT NULL,
    asked_channel   text NOT NULL,
    asked_address   text NOT NULL,
    asked_role  text NOT NULL DEFAULT session_user,
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL DEFAULT clock_timestamp() + interval '30 minutes',
    decision    text CHECK (decision IN ('approved', 'rejected', 'stale')), -- stale: the world had changed
    decided_by        text,
    decided_signed_in text,
    decided_reason    text CHECK (decided_reason ~ '[^[:space:]]'),
    decided_role text,
    decided_at  timestamptz,
    used_at     timestamptz,                     -- the act was done; an approval serves once
    CHECK (num_nulls(decision, decided_by, decided_signed_in, decided_reason, decided_role, decided_at) IN (0, 6)),
    CONSTRAINT approval_second_person CHECK (decided_by NOT IN (asked_by, asked_signed_in)
        AND decided_signed_in NOT IN (asked_by, asked_signed_in)),
    CHECK (used_at IS NULL OR decision = 'approved')
);
CREATE INDEX approval_pending ON feedfall.approval (expires_at) WHERE decision IS NULL;

-- Is this login one that people share? Then it was named in the GRANT itself, or it is a superuser. A login of one's own
-- has its rights as a member of another role: then who asked and who decides are two logins as well.
CREATE FUNCTION feedfall.is_shared_login() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
        OR (SELECT relacl IS NULL OR EXISTS (SELECT FROM aclexplode(relacl) AS a JOIN pg_roles r ON r.oid = a.grantee
                WHERE r.rolname = session_user)
            FROM pg_class WHERE oid = 'feedfall.approval'::regclass)
$$;

CREATE FUNCTION feedfall.decide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.decision IS NULL AND NEW.decision IS NOT NULL THEN
        IF OLD.expires_at <= clock_timestamp() THEN
            RAISE EXCEPTION 'approval % has expired: ask again', OLD.id USING ERRCODE = 'check_violation';
        END IF;
        NEW.decided_role := session_user;
        NEW.decided_at := clock_timestamp();
        IF NEW.decided_role = OLD.asked_role AND NOT feedfall.is_shared_login() THEN
            RAISE EXCEPTION 'login % has asked for approval %: a second person decides', session_user, OLD.id
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF OLD.used_at IS NULL AND NEW.used_at IS NOT NULL AND OLD.expires_at > clock_timestamp()
        AND (to_jsonb(NEW) - 'used_at') = (to_jsonb(OLD) - 'used_at') THEN
        NEW.used_at := clock_timestamp();
        RETURN NEW;
    ELSE
        RAISE EXCEPTION 'approval % is decided, used or expired: ask again', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.used_at IS NOT NULL OR (to_jsonb(NEW) - '{decision,decided_by,decided_signed_in,decided_reason,decided_role,decided_at}'::text[])
        <> (to_jsonb(OLD) - '{decision,decided_by,decided_signed_in,decided_reason,decided_role,decided_at}'::text[]) THEN
        RAISE EXCEPTION 'what was asked in approval % is frozen', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decide BEFORE UPDATE ON feedfall.approval FOR EACH ROW EXECUTE FUNCTION feedfall.decide();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON feedfall.approval
    FOR EACH STATEMENT EXECUTE FUNCTION feedfall.append_only();

CREATE TABLE feedfall.acceptance (               -- a base date counts as done without its rows; the newest line decides
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed        text NOT NULL,
    base_date   date NOT NULL,
    accepted    boolean NOT NULL,                -- false: taken back
    who         text NOT NULL,
    signed_in   text NOT NULL,
    reason      text NOT NULL CHECK (reason ~ '[^[:space:]]'),
    approval    bigint REFERENCES feedfall.approval,
    ticket      text,
    role        text NOT NULL DEFAULT session_user,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT acceptance_second_person CHECK (NOT accepted OR approval IS NOT NULL OR coalesce(ticket ~ '[^[:space:]]', false))
);
CREATE INDEX acceptance_newest ON feedfall.acceptance (feed, base_date, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON feedfall.acceptance
    FOR EACH STATEMENT EXECUTE FUNCTION feedfall.append_only();

CREATE FUNCTION feedfall.check_approved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.approval IS NULL OR EXISTS (SELECT FROM feedfall.approval a WHERE a.id = NEW.approval AND a.verb = 'accept'
        AND a.decision = 'approved' AND a.feed = NEW.feed AND (a.arguments ->> 'base_date')::date = NEW.base_date) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'approval % is no approval of this', NEW.approval USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER approved BEFORE INSERT ON feedfall.acceptance FOR EACH ROW EXECUTE FUNCTION feedfall.check_approved();
