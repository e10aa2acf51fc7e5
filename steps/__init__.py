"""WHAT A POD DOES: start, do one stage's work, leave. The only door is `python -m steps <stage> --feed <name>`.

    pub ───▶ fx.request ───▶ relay ───▶ fx.response ───▶ sub ───▶ table
    │                        │ calls the partner   │ fx.bell rings     │ rows, fates and checkpoint
    │ gate: business day?    └─ drain ─────────────┴─── drain ─────────┘ in one transaction
    sweep: lag and no run there? start one.        release: deferred rows whose day has come
                                                   verify: does the ledger add up?

One file a stage; `run/`, `drain/`, `load/`, `partner/` and `watch/` are what the stages are made of.
"""
