"""Two deals made into one."""

from sync.sandbox.store.records import Record, Source
from sync.sandbox.store.refusals import Conflict

MERGE = Source("MERGE_OBJECTS")
MOST_MERGES = 250


def merged(winner: Record, loser: Record, new_id: int, now: int) -> Record:
    """The winner's values and history; the loser fills in what the winner had empty."""
    ids = [
        *winner.values.get("hs_merged_object_ids", "").split(";"),
        *loser.values.get("hs_merged_object_ids", "").split(";"),
        str(winner.id),
        str(loser.id),
    ]
    retired = list(dict.fromkeys(i for i in ids if i and i != str(new_id)))
    if len(retired) > MOST_MERGES:
        raise Conflict(f"Cannot have more than {MOST_MERGES} identities on a profile")
    survivor = winner.copy()
    survivor.id = new_id
    survivor.created = min(winner.created, loser.created)
    survivor.modified = now
    for name, value in loser.values.items():
        if name not in survivor.values:
            survivor.put(name, value, now, MERGE)
    survivor.put("hs_merged_object_ids", ";".join(retired), now, MERGE)
    return survivor
