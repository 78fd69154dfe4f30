"""What every campaign has before its end, whatever its dice say: changes that no pull can find,
which the sweep is for, and a page that comes too late."""

from dataclasses import replace
from random import Random

from sync.crm.base import DealPage
from sync.jobs.context import JobContext
from sync.mirror.write_deals import save_page
from sync.sandbox.crm import Crm
from sync.sandbox.pipedrive.crm import PipedriveCrm

NEVER_S = 1e9
"""An index that lags so far behind never shows a change."""


def unseen_by_pulls(crm: Crm, dice: Random, context: JobContext) -> DealPage | None:
    """A change that HubSpot's search never shows, a deal deleted for ever, one more contact.

    Returns the page of the changed deal as it was before; None where there are too few deals.
    """
    if len(crm.deal_ids()) < 3:
        return None
    changed, purged, linked = dice.sample(crm.deal_ids(), 3)
    before = context.source.read([changed])
    behaviour, crm.behaviour = crm.behaviour, replace(crm.behaviour, index_lag_s=NEVER_S)
    crm.edit(changed, {"amount": str(10**8 + dice.randrange(10**6))})
    crm.behaviour = behaviour
    crm.purge(purged)
    crm.associate("deals", int(linked), "contacts", dice.randrange(10**6, 2 * 10**6))
    return before


def unseen_by_pulls_of_pipedrive(
    crm: PipedriveCrm, dice: Random, context: JobContext
) -> DealPage | None:
    """A deal deleted for ever, and one that moves no date by what changes. As above."""
    if len(crm.deal_ids()) < 3:
        return None
    changed, unmoved, purged = dice.sample(crm.deal_ids(), 3)
    before = context.source.read([changed])
    crm.edit(changed, {"title": f"Ny {dice.randrange(10**6)}"})
    with crm.lock:
        crm.deals.get(unmoved).title = f"Uten dato {dice.randrange(10**6)}"
    crm.purge(purged)
    return before


def come_late(context: JobContext, page: DealPage) -> None:
    """Commit a page as a process does that was asleep since it read it."""
    history, at = context.source.capabilities.history, context.clock.now()
    save_page(context.engine, context.connection, "late", page, history=history, at=at)
