#!/bin/sh
# Any scheduler that knows a command and its exit code (JFlow, Jenkins, cron):
#
#     scheduler.sh submit fx --date 20261030 --wait
#     scheduler.sh hold fx --reason "partner down"
#
# Its host has feedfall's .venv in PATH and, in the job's environment, FEEDFALL_URL and FEEDFALL_TOKEN_FILE; nothing else.
# 75 is outside trouble, and the one code that a machine may run again: after FEEDFALL_PAUSE seconds, three times. All other
# codes are handed on at once. SIGTERM goes to the command, which stops the run that it waits for and ends with 143.
# Not for `submit --rerun`: each call of that requests the rows once more.
set -u
child=
ended=
trap 'ended=143; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT

follow() { # the exit code of a command, whose waiting a signal interrupts
    "$@" &
    child=$!
    wait "$child"
    code=$?
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
        code=$?
    done
    child=
    return "$code"
}

for again in 1 2 3 0; do
    follow "${FEEDFALL:-feedfall}" "$@"
    code=$?
    [ "$code" -eq 75 ] && [ "$again" -gt 0 ] || break
    [ -z "$ended" ] || exit "$ended"
    echo "exit 75: outside trouble. Running it again in ${FEEDFALL_PAUSE:-120} s ($again of 3)" >&2
    follow sleep "${FEEDFALL_PAUSE:-120}"
    [ -z "$ended" ] || exit "$ended"
done
exit "$code"
