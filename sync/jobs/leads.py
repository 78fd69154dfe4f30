"""Leads: what changed of them comes into the mirror, and what is gone leaves it."""

from datetime import timedelta
from typing import Final

from sync.crm.leads import LeadSource
from sync.errors import AuthError, SafetyStop
from sync.jobs.context import Counts, JobContext, Stopped
from sync.mirror import leads, read, write

STREAM: Final = "leads"
CENSUS: Final = "lead_census"
CENSUS_EVERY: Final = timedelta(days=1)


def pull_leads(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Read what changed since the last time; once a day compare with all ids there are.

    Without the scope for contacts it is named and left out, and everything else goes on.
    """
    source = ctx.lead_source
    if source is None:
        return {}
    try:
        counts = _pull(ctx, source)
        return counts | _erase_gone(ctx, source)
    except AuthError as error:
        if not error.missing_scopes:
            raise
        ctx.notes.append(f"Leads are left out. {error}")
        return {"left_out": 1}


def _pull(ctx: JobContext, source: LeadSource) -> Counts:
    counts = {"leads": 0, "changes": 0, "unparsed": 0}
    pages = source.leads(
        read.cursor(ctx.engine, ctx.connection, STREAM),
        started_at=ctx.clock.now(),
        known=lambda ids: leads.known_versions(ctx.engine, ctx.connection, ids),
    )
    for page in pages:
        leads.save_page(ctx.engine, ctx.connection, STREAM, page, at=ctx.clock.now())
        counts["leads"] += len(page.leads)
        counts["changes"] += len(page.changes)
        counts["unparsed"] += page.unparsed
        ctx.notes.extend(text for text in page.left_out if text not in ctx.notes)
        ctx.progress.step("leads", counts["leads"], None)
        if ctx.should_stop():
            raise Stopped
    return counts


def _erase_gone(ctx: JobContext, source: LeadSource) -> Counts:
    """Whoever is deleted in the CRM is erased here within a day. Raises SafetyStop where far too
    many are missing."""
    now = ctx.clock.now()
    last = read.cursor(ctx.engine, ctx.connection, CENSUS)
    if last is not None and now.isoformat() < last["due"]:
        return {}
    due = {"due": (now + CENSUS_EVERY).isoformat()}
    write.save_cursor(ctx.engine, ctx.connection, CENSUS, due, at=now)
    if last is None:  # all of them were listed just now
        return {}
    held = leads.listed_ids(ctx.engine, ctx.connection)
    there: set[str] = set()
    for ids in source.lead_ids():
        there.update(ids)
        if ctx.should_stop():
            raise Stopped
    gone = held - there
    limits = ctx.config.sweep
    if len(gone) > max(limits.least_missing, limits.max_missing_share * len(held)):
        raise SafetyStop(
            f"{ctx.connection} lists {len(gone)} of {len(held)} leads no longer; none is "
            "erased. If that is right, raise sweep.max_missing_share until tomorrow."
        )
    leads.erase(ctx.engine, ctx.connection, gone)
    return {"erased": len(gone)}
