"""HOW FAST, AGAINST WHAT: ratios against floors measured in the same run, on servers of our own at 127.0.0.1.

python -m benchmarks                       make bench: about six minutes, one million messages
python -m benchmarks --messages 100000     a quick look
python -m benchmarks --json results.json   the same numbers for a machine

step   the real pod process drains a topic, every guarantee on    ÷ COPY of the very same rows, ready made
bare   the same step without ledger and lineage                      the pod ÷ this: what the guarantees cost
peers  what is usually written in sub's place, on the same topic  ÷ the pod's speed
api    the calendar service's answers a second            ÷ FastAPI's own, returning a constant
verify `feedfall verify` of ten million offsets, and as many rows    100 spans, and 20,000
cold   a pod's process with nothing to do, and with one message   beside its bare imports, and where the time goes
"""
