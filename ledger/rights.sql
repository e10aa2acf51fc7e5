-- name: role
-- Made where it is missing, without a login: the DBA gives each person and each pod one of these.
DO $$ BEGIN IF to_regrole({text}) IS NULL THEN CREATE ROLE {role} NOLOGIN; END IF; END $$;

-- name: owner
-- Owns the schema and the tables: migrations and DDL, and nothing that runs every day.
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO %I', current_database(), {plain}); END $$;
GRANT CREATE, USAGE ON SCHEMA public TO {role};

-- name: nothing
-- What was granted before and is no longer needed goes.
DO $$ BEGIN IF EXISTS (SELECT FROM pg_auth_members
        WHERE roleid = 'pg_signal_backend'::regrole AND member = to_regrole({text})) THEN
    REVOKE pg_signal_backend FROM {role};
END IF; END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA feedfall FROM {role};
GRANT USAGE ON SCHEMA feedfall TO {role};

-- name: pod
-- Exactly what the stages do. Columns that are not named are the server's (times, ids, role) or an operator's.
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), {plain}); END $$;
GRANT SELECT ON feedfall.schema, feedfall.run, feedfall.drain, feedfall.lease, feedfall.source, feedfall.span, feedfall.replaced,
    feedfall.gap, feedfall.quarantine, feedfall.request, feedfall.feed_control, feedfall.calendar_override,
    feedfall.calendar_copy, feedfall.watched, feedfall.absence, feedfall.notice, feedfall.batch,
    feedfall.sweep, feedfall.acceptance, feedfall.correction, feedfall.run_log TO {role};
GRANT INSERT (run, feed, lines), DELETE ON feedfall.run_log TO {role};
GRANT INSERT (feed, stage, uid, name, code),
    UPDATE (status, exit_code, reason, counts, ended_at, expires_at, partitions) ON feedfall.run TO {role};
GRANT INSERT (feed, stage), UPDATE (claims) ON feedfall.drain TO {role};
GRANT INSERT (feed, stage, partition), UPDATE (run, held, epoch, taken_at) ON feedfall.lease TO {role};
GRANT INSERT (feed, stage, topic, topic_id, cluster_id, partition, markers, first_offset, next_offset, epoch),
    UPDATE (next_offset, epoch, leader_epoch, markers, cluster_id) ON feedfall.source TO {role};
GRANT INSERT (source, from_offset, to_offset, run, records, absent, rows_read, loaded, superseded, duplicate, quarantined,
    deferred, late) ON feedfall.span TO {role};
GRANT INSERT ON feedfall.replaced TO {role};
GRANT INSERT (source, "offset", row, part, run, fate, reason, until, by_date, correlation_id, seq, key, value, headers,
        sent_at, settled_as, settled_run, settled_at, settled_by, settled_reason, replaced_run),
    UPDATE (fate, reason, until, by_date, settled_as, settled_run, settled_at, settled_by, settled_reason, replaced_run,
        parts) ON feedfall.quarantine TO {role};
GRANT INSERT (correlation_id, feed, base_date, seq, ordered, status, reason, count, settled, repeated, last_run,
        answered_at, complete_at, retry_at, retry_reason, tries, deferred_at),
    UPDATE (ordered, base_date, seq, status, reason, count, settled, repeated, last_run, sent_at, answered_at, complete_at,
        retry_at, retry_reason, tries, deferred_at, kept_at)
    ON feedfall.request TO {role};
GRANT INSERT (feed, run, transactional_id, topic, topic_id, ends, ids), UPDATE (answered, closed_at, closed_by)
    ON feedfall.batch TO {role};
GRANT INSERT (feed, blocked_at, blocked_code, blocked_stage, blocked_reason),
    UPDATE (blocked_at, blocked_code, blocked_stage, blocked_reason, wait_until) ON feedfall.feed_control TO {role};
GRANT INSERT (who, verb, feed, reason, detail), SELECT (feed, verb, at, detail, phase) ON feedfall.journal TO {role};
GRANT INSERT, UPDATE ON feedfall.calendar_copy TO {role};
GRANT INSERT ON feedfall.watched TO {role};
GRANT INSERT (ended_at, run, good_at, good_run), UPDATE (ended_at, run, good_at, good_run, lag) ON feedfall.sweep TO {role};
GRANT INSERT (subject, base_date, due_at, found, words), UPDATE (closed_at) ON feedfall.absence TO {role};
GRANT INSERT (subject, base_date, body, made_at),
    UPDATE (tries, trouble, delivered_at, given_up_at) ON feedfall.notice TO {role};

-- name: pod_tables
-- A merge reads, adds and replaces rows; nothing of ours deletes one.
GRANT SELECT, INSERT, UPDATE ON {tables} TO {role};

-- name: operator
-- Beside all that a pod may: hold and free, withdraw a request, resolve quarantine and correct, accept a gap, decide about days.
GRANT SELECT ON feedfall.journal TO {role};
GRANT INSERT (act, phase, signed_in, acted_as, channel, address, before, after, words, ticket, approval)
    ON feedfall.journal TO {role};
GRANT INSERT (held_at, held_by, held_signed_in, held_reason, held_with_all),
    UPDATE (held_at, held_by, held_signed_in, held_reason, held_with_all) ON feedfall.feed_control TO {role};
GRANT SELECT, INSERT (verb, feed, arguments, preview, digest, reason, asked_by, asked_signed_in, asked_channel, asked_address),
    UPDATE (decision, decided_by, decided_signed_in, decided_reason, used_at) ON feedfall.approval TO {role};
GRANT INSERT (feed, base_date, accepted, who, signed_in, reason, approval, ticket) ON feedfall.acceptance TO {role};
GRANT INSERT (source, from_offset, to_offset, run, who, reason, moved_to) ON feedfall.gap TO {role};
GRANT UPDATE (closed_at) ON feedfall.source TO {role};
GRANT UPDATE (withdrawn_at, withdrawn_by, withdrawn_reason) ON feedfall.request TO {role};
GRANT INSERT (source, "offset", row, run, value, seq, sent_at, became, replaced_run, who, reason)
    ON feedfall.correction TO {role};
GRANT INSERT (calendar, day, is_open, reason, evidence, who), UPDATE (withdrawn_at) ON feedfall.calendar_override TO {role};

-- name: member
-- So that an operator's command can end a frozen pod's session; a pod cannot end an operator's.
GRANT {pod} TO {role};

-- name: reader
-- CI that waits for an order, dashboards, people who look: rows of feeds too, and nothing is changed.
GRANT SELECT ON ALL TABLES IN SCHEMA feedfall TO {role};

-- name: reader_tables
-- The feeds' own tables, to look at.
GRANT SELECT ON {tables} TO {role};

-- name: service
-- The calendar service: decisions about days and their journal, and no row of any feed.
GRANT SELECT ON feedfall.schema, feedfall.calendar_override TO {role};
GRANT INSERT (calendar, day, is_open, reason, evidence, who) ON feedfall.calendar_override TO {role};
GRANT UPDATE (withdrawn_at) ON feedfall.calendar_override TO {role};
GRANT INSERT (who, verb, feed, reason, detail, act, phase, signed_in, acted_as, channel, address, before, after, words, ticket,
    approval) ON feedfall.journal TO {role};

-- name: board
-- The board: beside what a reader sees: hold and free (which also hastens requests), ask, approve, accept. It loads nothing.
GRANT INSERT (who, verb, feed, reason, detail, act, phase, signed_in, acted_as, channel, address, before, after, words, ticket,
    approval) ON feedfall.journal TO {role};
GRANT INSERT (feed, held_at, held_by, held_signed_in, held_reason, held_with_all),
    UPDATE (held_at, held_by, held_signed_in, held_reason, held_with_all, blocked_at, blocked_code, blocked_stage, blocked_reason,
    wait_until) ON feedfall.feed_control TO {role};
GRANT INSERT (verb, feed, arguments, preview, digest, reason, asked_by, asked_signed_in, asked_channel, asked_address),
    UPDATE (decision, decided_by, decided_signed_in, decided_reason, used_at) ON feedfall.approval TO {role};
GRANT INSERT (feed, base_date, accepted, who, signed_in, reason, approval, ticket) ON feedfall.acceptance TO {role};
GRANT UPDATE (retry_at) ON feedfall.request TO {role};

-- name: setting
-- For sessions whose pooler drops the options that they are started with.
ALTER ROLE {role} SET {setting} = {value};
