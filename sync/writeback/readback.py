"""What the CRM holds after a write, compared with what was sent. Pure."""

from dataclasses import replace
from datetime import datetime

from sync.crm.base import Deal
from sync.writeback.fields import Values
from sync.writeback.journal import Entry, Settlement, State
from sync.writeback.plan import same_value

GONE = "not in the CRM any more: archived, merged or deleted"


def judge(entry: Entry, own: Values | None, echo: datetime | None = None) -> Settlement:
    """What became of `entry`, told from our values on the record as read (None = not there).

    echo: the record's modified date, where nothing but our own values changed since the mirror
    read it.
    """
    if own is None:
        return Settlement(entry.trace_id, State.MISSING, GONE)
    if _holds(own, entry.after):
        return Settlement(entry.trace_id, State.CONFIRMED, echo_modified_at=echo)
    if entry.state is not State.WRITTEN and _holds(own, entry.before):
        return Settlement(entry.trace_id, State.NOT_WRITTEN, "sent, but it never arrived")
    return Settlement(entry.trace_id, State.DIFFERS, _difference(own, entry.after))


def judge_deal(entry: Entry, deal: Deal | None, mirrored: Deal | None) -> Settlement:
    """mirrored: the deal as the mirror has it, None = it has not."""
    if deal is None:
        return judge(entry, None)
    return judge(entry, deal.own, deal.modified_at if _only_ours(deal, mirrored) else None)


def _holds(own: Values, values: Values) -> bool:
    return all(same_value(name, text, own.get(name)) for name, text in values.items())


def _only_ours(deal: Deal, mirrored: Deal | None) -> bool:
    if mirrored is None:
        return False
    return replace(deal, own={}) == replace(mirrored, own={}, modified_at=deal.modified_at)


def _difference(own: Values, after: Values) -> str:
    other = {
        name: own.get(name)
        for name, text in sorted(after.items())
        if not same_value(name, text, own.get(name))
    }
    return "the CRM holds " + ", ".join(
        f"{name} = {'nothing' if text is None else repr(text)}" for name, text in other.items()
    )
