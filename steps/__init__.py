"""WHAT A POD DOES: start, do one stage's work, leave. The only door is `python -m steps <stage> --feed <name>`.

pub ───▶ fx.request ───▶ relay ───▶ fx.response ───▶ sub ───▶ table
│                        │ asks the partner    │ fx.bell rings     │ rows, fates and checkpoint
│ gate: business day?    └─ drain ─────────────┴─── drain ─────────┘ in one transaction
sweep: lag and nobody there? start it.            verify: do the books add up?
replay, gap: what a person does with what was settled, or lost, below a checkpoint; called by `feedfall`, never by a pod
"""
