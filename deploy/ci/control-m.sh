#!/bin/sh
# Control-M, an OS job: control-m.sh fx %%ODATE, with %%ODATE as YYYYMMDD. Its host has FEEDFALL_URL and FEEDFALL_TOKEN_FILE
# (docs/operate.md, From outside the cluster) and feedfall's .venv; or in place of the two ARGO_SERVER, ARGO_NAMESPACE,
# ARGO_TOKEN_FILE (a token of account feedfall-submit, see rights.yaml) and DATABASE_URL in the job's environment, and
# feedfall's .venv.
#
# On-Do actions: COMPSTAT=75 -> Rerun (limit 3); COMPSTAT=77 -> Notify (held, skipped, busy, empty: no successor starts);
# COMPSTAT=82 -> Notify (no response in time; the order goes on). Never match ODD or EVEN: 143 is a killed job.
# Kill sends SIGTERM: `exec` lets it reach the command, which stops the run and ends with 143.
set -eu
export FEEDFALL_BY="${FEEDFALL_BY:-control-m}"
exec "${FEEDFALL:-feedfall}" submit "$1" --date "$2" --wait --timeout "${3:-2h}"
