"""The desk's English."""

NOTHING = "-"
UNITS = {"d": " d", "h": " h", "min": " min"}
LATE = "{late_minutes} late."

SENTENCES = {
    "arrived": "{rows} rows are here since {at}.",
    "arrived-late": "{rows} rows are here since {at}, {after_minutes} after the due time.",
    "arrived-quarantined": "{rows} rows are here since {at}; {quarantined} are in quarantine.",
    "arrived-undated": "Rows came at {at}. Their base date is not known.",
    "accepted": "{by} accepted it without its rows at {at}: {reason}",
    "closed": "No business day: {closure}.",
    "expected": "Its order is at {at}, its due time {due_at}.",
    "not-ordered": "Not ordered: its order was due at {at}, {since_minutes} ago. Its rows are due at {due_at}.",
    "no-request": "No request was sent and no response received; its order was due at {at}.",
    "unsent": "Its request was recorded at {at} and never sent.",
    "unanswered": "Its request was sent at {at} and has no answer.",
    "deferred": "The partner gave no answer after {tries} tries. Next try: {until}. The partner's words: {words}",
    "quota": "The partner's quota is used up until {until}.",
    "not-loaded": "It was answered at {at}: {rows} of {of} rows are loaded.",
    "empty": "The partner has nothing, answered at {at}. The partner's words: {words}",
    "refused": "The partner refused it at {at}. The partner's words: {words}",
    "quarantined": "{rows} rows came and every one is in quarantine.",
    "held": "Held by {by} since {at}: {reason}",
    "blocked": "Blocked since {at}: {stage} ended with {exit_code}: {reason}",
    "stuck-lease": "Run {run} died with leases of {stage}, which expired at {at}; no run has taken them.",
    "running": "Run {run} ({stage}) is at work since {at}.",
    "running-blocked": "Run {run} waits since {at} for a lock that session {pid} holds: {application} (role {role}).",
    "not-watched": "Absence is not watched: no row says its base date. Rows came last at {at}.",
    "uncovered": "The calendar does not cover this day: {words}",
    "calendar-unknown": "The calendar cannot be read: {words}",
    "database-away": "The database does not answer: {words}",
    "next-order": "Next: its order at {at}.",
    "next-due": "Next: its due time at {at}; then it is reported absent.",
    "next-retry": "Next: relay asks again at {at}.",
    "next-run": "Run {run} ({stage}) works on it since {at}.",
    "next-sweep": "Next: the sweep starts what waits, by {at}.",
    "next-no-sweep": "No sweep runs: nothing is started by itself.",
    "next-person": "Nothing happens until a person frees the feed.",
    "next-nothing": "Nothing happens by itself.",
    "sweep-never": "No sweep has come to its end in this database yet.",
    "sweep-missing": "Nobody watches: the last sweep ended {since_minutes} ago, at {at}.",
    "sweep-faulty": "The last sweep without a fault ended at {at}.",
}

STATES = {
    "absent": "absent",
    "blocked": "blocked",
    "unknown": "unknown",
    "held": "held",
    "waiting": "waiting",
    "running": "running",
    "expected": "expected",
    "arrived": "arrived",
    "accepted": "accepted",
    "closed": "closed",
}
BANDS = {"act": "a person must act", "open": "under way", "over": "over"}
VERBS = {
    "order": "order",
    "force": "force",
    "hold": "hold",
    "free": "free",
    "kill": "kill",
    "rerun": "rerun",
    "accept": "accept",
    "approve": "approve",
    "withdraw": "withdraw",
    "redrive": "redrive",
    "correct": "correct",
    "discard": "discard",
    "replay": "replay",
}
