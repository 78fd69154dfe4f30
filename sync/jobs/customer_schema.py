"""Part of a pull: the customer's own fields and the account's exchange rates."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sync.crm.base import Cursor, DealPage
from sync.errors import AuthError
from sync.jobs.context import Counts, JobContext, Stopped
from sync.jobs.daily import day_passed
from sync.mirror import properties, rates, read, write, write_deals
from sync.mirror.read import StoredAccount

RATES: Final = "rates"
"""The stream whose cursor tells when the rates were read, and into which currency."""

FILLING: Final = "extra"
"""The stream that reads all deals again for the sake of fields that are new."""

_DEALS_A_STEP: Final = 500


def pull_definitions(ctx: JobContext, started_at: datetime) -> list[str]:
    """Fields and rates; returns what was left out, in words. started_at: of the pull."""
    at = ctx.clock.now()
    properties.save_fields(ctx.engine, ctx.connection, ctx.source.extra_fields(), at=at)
    account = read.account(ctx.engine, ctx.connection)
    return [] if account is None else _pull_rates(ctx, account, started_at, at)


def _pull_rates(
    ctx: JobContext, account: StoredAccount, started_at: datetime, at: datetime
) -> list[str]:
    """Once a day, and only where the account has other currencies than its own."""
    kept = read.cursor(ctx.engine, ctx.connection, RATES) or {}
    last_read = _last_read(kept, account)
    alone = set(account.currencies) <= {account.home_currency}
    if alone or (last_read is not None and not day_passed(ctx, started_at, last_read)):
        return []
    try:
        told = ctx.source.exchange_rates()
    except AuthError as error:
        if not error.missing_scopes:
            raise
        return [f"Exchange rates are left out. {error}"]
    rates.save_rates(ctx.engine, ctx.connection, told, last_read=last_read, at=at)
    cursor = {"read_at": at.isoformat(), "into": account.home_currency}
    write.save_cursor(ctx.engine, ctx.connection, RATES, cursor, at=at)
    return []


def fill_fields(ctx: JobContext) -> Counts:
    """Read every deal again where fields were added since the deals came. May be interrupted."""
    names = properties.unfilled(ctx.engine, ctx.connection)
    counts: Counter[str] = Counter()
    if not names:
        return {}
    cursor = _filling(read.cursor(ctx.engine, ctx.connection, FILLING), names)
    total, done = read.deal_count(ctx.engine, ctx.connection), 0
    while deal_ids := properties.deals_after(
        ctx.engine, ctx.connection, cursor["after"], _DEALS_A_STEP
    ):
        page = ctx.source.read(deal_ids)
        cursor = {**cursor, "after": deal_ids[-1]}
        counts.update(_save(ctx, page, cursor))
        done += len(deal_ids)
        ctx.progress.step("extra properties", done, total)
        if ctx.should_stop():
            raise Stopped
    properties.mark_filled(ctx.engine, ctx.connection, names, at=ctx.clock.now())
    write.forget_cursor(ctx.engine, ctx.connection, FILLING)
    return counts


def _save(ctx: JobContext, page: DealPage, cursor: Cursor) -> Counts:
    """State alone: history is as it was, and who is gone is found by the pull itself."""
    saved = write_deals.save_page(
        ctx.engine,
        ctx.connection,
        FILLING,
        DealPage(cursor, page.deals, unparsed=page.unparsed, history_read=False),
        history=ctx.source.capabilities.history,
        at=ctx.clock.now(),
    )
    return {"filled": len(page.deals), "unparsed": saved.unparsed}


def _last_read(kept: Mapping[str, str], account: StoredAccount) -> datetime | None:
    """None where the rates were never read into this currency."""
    if "read_at" not in kept or kept.get("into") != account.home_currency:
        return None
    return datetime.fromisoformat(kept["read_at"])


def _filling(kept: Cursor | None, names: list[str]) -> dict[str, str]:
    """From the start where other fields are wanted than those that were being filled."""
    wanted = ",".join(names)
    if kept is None or kept.get("names") != wanted:
        return {"names": wanted, "after": ""}
    return dict(kept)
