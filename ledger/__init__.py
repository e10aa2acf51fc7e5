"""WHAT HAPPENED TO EVERY OFFSET: the only room that speaks SQL.

    lease ──────── who may drain (feed, stage, partition) now, and its epoch: the dead are fenced
    source ─────── one partition of one topic, with its checkpoint: the next offset
    span ───────── [from, to) that a run recorded: records + absent = to - from, and the fate of each row
    gap ────────── offsets that Kafka lost before they were read, and who accepted it
    quarantine ─── the rows that are nowhere else: bad or deferred, whole, with the reason
    request ────── what was requested, and whether its response is complete
    run ────────── one execution of one stage
    feed_control ─ open, held by a person, or blocked by a fault
    journal ────── who did what, under which login, and why; append only

Statements stand in `*.sql` beside the module that uses them; tables in `migrations/`, and
who may do what in `rights.sql`.
"""
