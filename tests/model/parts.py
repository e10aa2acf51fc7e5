"""Parts of the lease protocol, as what is taken out of its SQL: statement → (the words, what stands there instead)."""

from model.scenario import Scenario

#: One Workflow whose pod was started again though the first one lives: the hardest pair, for both may take the lease.
SAME = {"A": "one", "B": "one"}
RETRY = Scenario(there=3, messages=0, uids=SAME)

LOCK, EPOCH = "pg_try_advisory_xact_lock(%(space)s, h.id)", "l.epoch = h.epoch"
NO_LOCK = {"lease.guard": (LOCK, "true"), "lease.lock": ("pg_try_advisory_xact_lock(%(space)s, id)", "true")}
NO_EPOCH = {"lease.guard": (EPOCH, "true"), "lease.mine": (" AND h.epoch = l.epoch", "")}
NO_FENCE = {
    "chunk.advance": (
        """AND (partition, epoch) IN (SELECT * FROM unnest(%(partitions)s::int[], %(epochs)s::bigint[]))
  AND next_offset = %(from_offset)s""",
        "",
    )
}
NONE = {**NO_LOCK, **NO_EPOCH, **NO_FENCE, "lease.guard": (f"bool_and({LOCK}), bool_and({EPOCH})", "true, true")}

#: Two runs that share two partitions, one message in each.
SHARED = Scenario(there=2, messages=1, partitions=2, pods=2)
