"""What the CRM holds after a write, compared with what was sent. Pure."""

from dataclasses import replace

from sync.crm.base import Deal
from sync.writeback.fields import Values
from sync.writeback.journal import Entry, Settlement, State
from sync.writeback.plan import same_value

GONE = "not in the CRM any more: archived, merged or deleted"


def judge(entry: Entry, deal: Deal | None, mirrored: Deal | None) -> Settlement:
    """What became of `entry`, told from the deal as read (None = not there).

    mirrored: the deal as the mirror has it, None = it has not. Where nothing but our own values
    sets the two apart, the deal's modified date is kept as the echo of our write.
    """
    if deal is None:
        return Settlement(entry.trace_id, State.MISSING, GONE)
    if _holds(deal, entry.after):
        echo = deal.modified_at if _only_ours(deal, mirrored) else None
        return Settlement(entry.trace_id, State.CONFIRMED, echo_modified_at=echo)
    if entry.state is not State.WRITTEN and _holds(deal, entry.before):
        return Settlement(entry.trace_id, State.NOT_WRITTEN, "sent, but it never arrived")
    return Settlement(entry.trace_id, State.DIFFERS, _difference(deal, entry.after))


def _holds(deal: Deal, values: Values) -> bool:
    return all(same_value(name, text, deal.own.get(name)) for name, text in values.items())


def _only_ours(deal: Deal, mirrored: Deal | None) -> bool:
    if mirrored is None:
        return False
    return replace(deal, own={}) == replace(mirrored, own={}, modified_at=deal.modified_at)


def _difference(deal: Deal, after: Values) -> str:
    other = {
        name: deal.own.get(name)
        for name, text in sorted(after.items())
        if not same_value(name, text, deal.own.get(name))
    }
    return "the CRM holds " + ", ".join(
        f"{name} = {'nothing' if text is None else repr(text)}" for name, text in other.items()
    )
