"""Pull: what changed in the CRM comes into the mirror, page by page."""

from collections import Counter

from sync.crm.base import Cursor, DealPage, Removal, RemovalReason
from sync.errors import AuthError
from sync.jobs.context import Counts, JobContext, Stopped
from sync.mirror import job_runs, read, tombstones, write, write_deals

DEALS = "deals"
"""The stream whose cursor stands for all deals of a connection."""

BIN = "bin"
"""The stream whose cursor holds the ids that were in the CRM's bin: what leaves it is read again,
also where the mirror never held it. Restoring a deal may leave its modification date as it was."""


def pull(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Read what changed since the last pull; the first one reads everything.

    Interrupted anywhere, the next pull resumes at the last committed page.
    """
    source, started_at = ctx.source, ctx.clock.now()
    counts: Counter[str] = Counter()
    write.save_account(
        ctx.engine, ctx.connection, ctx.settings.kind, source.account(), at=started_at
    )
    write.save_pipelines(ctx.engine, ctx.connection, source.pipelines(), at=started_at)
    left_out = dict.fromkeys(_pull_owners(ctx))

    loading = job_runs.last_run(ctx.engine, "pull", ctx.connection, status="ok") is None
    if loading:  # what leaves the bin behind the load's back is told by comparing
        counts.update(_pull_removed(ctx))
    total = source.deal_count() if loading else None
    done = read.deal_count(ctx.engine, ctx.connection) if loading else 0
    pages = source.deals(
        read.cursor(ctx.engine, ctx.connection, DEALS),
        started_at=started_at,
        known=lambda ids: read.known_versions(ctx.engine, ctx.connection, ids),
    )
    for page in pages:
        counts.update(_save(ctx, DEALS, page))
        left_out.update(dict.fromkeys(page.left_out))
        done += len(page.deals)
        ctx.progress.step("deals", done, total)
        if ctx.should_stop():
            raise Stopped

    counts.update(_pull_removed(ctx))
    ctx.notes[:] = left_out  # a daemon keeps its context
    return {"left_out": len(left_out), **counts}


def _save(ctx: JobContext, stream: str, page: DealPage) -> Counts:
    saved = write_deals.save_page(
        ctx.engine,
        ctx.connection,
        stream,
        page,
        history=ctx.source.capabilities.history,
        at=ctx.clock.now(),
    )
    return {
        "created": saved.created,
        "updated": saved.updated,
        "changes": saved.changes,
        "removed": saved.removed,
        "unparsed": saved.unparsed,
    }


def _pull_owners(ctx: JobContext) -> list[str]:
    """Owners need a scope of their own; without it deals still come, under their owners' ids.

    Returns what was left out, in words.
    """
    try:
        owners = ctx.source.owners()
    except AuthError as error:
        if not error.missing_scopes:
            raise
        return [f"Owners' names are left out. {error}"]
    write.save_owners(ctx.engine, ctx.connection, owners, at=ctx.clock.now())
    return []


def _pull_removed(ctx: JobContext) -> Counts:
    """The CRM's bin: deals put there are marked, deals taken out of it come back."""
    at = ctx.clock.now()
    in_bin: set[str] = set()
    removed = 0
    for removals in ctx.source.removed(started_at=at):
        in_bin.update(removal.deal_id for removal in removals)
        removed += tombstones.save_removals(ctx.engine, ctx.connection, removals, at=at)
    before = _ids(read.cursor(ctx.engine, ctx.connection, BIN))
    gone = sorted((read.archived_ids(ctx.engine, ctx.connection) | before) - in_bin)
    if not gone and in_bin == before:
        return {"removed": removed}
    restored = ctx.source.read(gone, history=True)
    alive = {deal.deal_id for deal in restored.deals}
    purged = [
        Removal(deal_id, RemovalReason.PURGED, at) for deal_id in gone if deal_id not in alive
    ]
    page = DealPage(
        cursor={"ids": ",".join(sorted(in_bin))},
        deals=restored.deals,
        changes=restored.changes,
        removals=[*purged, *restored.removals],  # a merge says more than a purge
        unparsed=restored.unparsed,
    )
    counts = _save(ctx, BIN, page)
    counts["removed"] += removed
    return counts


def _ids(cursor: Cursor | None) -> set[str]:
    return set(filter(None, (cursor or {}).get("ids", "").split(",")))
