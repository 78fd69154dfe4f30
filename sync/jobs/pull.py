"""Pull: what changed in the CRM comes into the mirror, page by page."""

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sync.crm.base import DealPage
from sync.errors import AuthError
from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.crm_goals import pull_goals
from sync.jobs.customer_schema import fill_fields, pull_definitions
from sync.jobs.hinted import read_hinted
from sync.jobs.history import read_histories
from sync.jobs.recycle_bin import look_into_bin
from sync.jobs.saving import save
from sync.mirror import job_runs, read, write

DEALS: Final = "deals"
"""The stream whose cursor stands for all deals of a connection."""

DIRECTORY_LASTS: Final = timedelta(hours=1)
"""So long a running daemon takes the account and its owners to be as it has read them; a new
process, whose token may be another, always asks."""


def pull(ctx: JobContext, run_id: int) -> Counts:  # noqa: ARG001 - every job has one
    """Read what changed since the last pull, and the past of deals that were loaded without it; the
    first pull reads everything.

    Interrupted anywhere, the next pull resumes at the last committed page.
    """
    source, started_at = ctx.source, ctx.clock.now()
    counts: Counter[str] = Counter()
    left_out = dict.fromkeys(_pull_directory(ctx))
    write.save_pipelines(ctx.engine, ctx.connection, source.pipelines(), at=started_at)
    left_out.update(dict.fromkeys(pull_definitions(ctx, started_at)))

    loading = job_runs.last_run(ctx.engine, "pull", ctx.connection, status="ok") is None
    if loading:  # what leaves the bin behind the load's back is told by comparing
        counts.update(look_into_bin(ctx))
    total = source.deal_count() if loading else None
    done = read.deal_count(ctx.engine, ctx.connection) if loading else 0
    pages = source.deals(
        read.cursor(ctx.engine, ctx.connection, DEALS),
        started_at=started_at,
        known=lambda ids: read.known_states(ctx.engine, ctx.connection, ids),
    )
    told: dict[str, None] = {}
    with _closing(pages):
        for page in pages:
            counts.update(save(ctx, DEALS, page))
            left_out.update(dict.fromkeys(page.left_out))
            told.update(dict.fromkeys(page.notes))
            ctx.refused.extend(page.refused)
            done += len(page.deals)
            ctx.progress.step("deals", done, total)
            if ctx.should_stop():
                raise Stopped

    counts.update(fill_fields(ctx))
    counts.update(look_into_bin(ctx))
    counts.update(read_hinted(ctx))
    counts.update(read_histories(ctx))
    if not loading:  # a first load is dear enough
        left_out.update(dict.fromkeys(pull_goals(ctx, started_at)))
    ctx.notes[:] = [*told, *left_out]  # a daemon keeps its context
    rejected = sum(len(each.records) for each in ctx.refused)
    return {"left_out": len(left_out), "rejected": rejected, **counts}


@contextmanager
def _closing(pages: Iterator[DealPage]) -> Iterator[None]:
    """Whatever ends the block ends the requests that are on their way for `pages`."""
    try:
        yield
    finally:
        if isinstance(pages, Generator):
            pages.close()


def _pull_directory(ctx: JobContext) -> list[str]:
    """The account and its owners, which seldom change; returns what was left out, in words.

    Owners need a scope of their own; without it deals still come, under their owners' ids.
    """
    now = ctx.clock.now()
    read_at = ctx.asked_at.get("directory")
    if read_at is not None and now - read_at < DIRECTORY_LASTS:
        return []
    account = ctx.source.account()
    write.save_account(ctx.engine, ctx.connection, ctx.settings.kind, account, at=now)
    try:
        owners = ctx.source.owners()
    except AuthError as error:
        if not error.missing_scopes:
            raise
        return [f"Owners' names are left out. {error}"]
    write.save_owners(ctx.engine, ctx.connection, owners, at=ctx.clock.now())
    ctx.asked_at["directory"] = now
    return []
