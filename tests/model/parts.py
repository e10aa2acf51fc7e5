"""Parts of the lease protocol, as what is taken out of its SQL: statement → (the words, what stands there instead)."""

from model.scenario import Scenario

#: One Workflow whose pod was started again though the first one lives: the hardest pair, for both may take the lease.
SAME = {"A": "one", "B": "one"}
RETRY = Scenario(there=3, messages=0, uids=SAME)

LOCK = "pg_try_advisory_xact_lock(%(space)s, %(id)s)"
NO_LOCK = {"lease.guard": (LOCK, "true"), "lease.lock": (LOCK, "true")}
NO_EPOCH = {"lease.guard": ("epoch = %(epoch)s", "true"), "lease.mine": ("epoch = %(epoch)s", "true")}
NO_FENCE = {"chunk.advance": ("AND epoch = %(epoch)s AND next_offset = %(from_offset)s", "")}
NONE = {**NO_LOCK, **NO_EPOCH, **NO_FENCE, "lease.guard": (f"{LOCK}, epoch = %(epoch)s", "true, true")}
