"""Which verbs help, by the reason why a base date is not here."""

#: What helps, the best first: names of the operators' acts.
VERBS: dict[str, tuple[str, ...]] = {
    "no-request": ("order", "accept"),
    "not-ordered": ("order",),
    "unsent": ("order", "accept"),
    "unanswered": ("rerun", "withdraw", "accept"),
    "kept": ("free", "withdraw", "accept"),
    "withdrawn": ("rerun", "accept"),
    "deferred": ("free", "withdraw", "accept"),
    "quota": ("free", "withdraw", "accept"),
    "not-loaded": ("accept",),
    "empty": ("rerun", "accept"),
    "refused": ("rerun", "accept"),
    "quarantined": ("redrive", "discard", "rerun", "accept"),
    "arrived-quarantined": ("redrive", "discard"),
    "arrived": ("rerun",),
    "arrived-late": ("rerun",),
    "held": ("free", "accept"),
    "blocked": ("free", "hold"),
    "stuck-lease": ("kill", "accept"),
    "running": ("kill", "hold"),
    "running-blocked": ("kill", "hold"),
    "closed": ("force",),
    "expected": ("hold", "order"),
}
