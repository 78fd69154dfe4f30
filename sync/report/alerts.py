"""Alerts that would be raised and resolved."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, select

from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.table import Column, Report

_COLUMNS = (
    Column("action", "Would"),
    Column("deal_id", on_screen=False),
    Column("lead_id", on_screen=False),
    Column("place", on_screen=False),
    Column("deal", "Deal, lead or bottleneck"),
    Column("owner", "Owner"),
    Column("rule", "Rule"),
    Column("why", "Why"),
)


def alerts_report(
    engine: Engine,
    connection: str,
    rows: Sequence[Mapping[str, object]],
    deliveries: Mapping[tuple[str, str], int],
    *,
    limit: int = 0,
) -> Report:
    """`rows`: action, deal, rule, why, and deal_id, or lead_id or place and owner (None: it
    concerns the account). `deliveries`: (channel,
    state) -> how many so far.

    limit: how many rows to hold; 0 = all.
    """
    owners = _owners(engine, connection)
    named = [{"owner": owners.get(str(row.get("deal_id")), "(nobody)"), **row} for row in rows]
    shown = named[:limit] if limit else named
    by_action = Counter(row["action"] for row in rows)
    told = {row["owner"] for row in named if row["action"] == "raise"}
    for_whom = [f"{len(told - {None})} owners"] if told != {None} else []
    for_whom += ["the account"] if None in told else []
    notes = [
        f"{by_action['raise']} to raise, for {' and '.join(for_whom)}; "
        f"{by_action['resolve']} to resolve."
    ]
    if len(shown) < len(named):
        notes[0] += f" The first {len(shown)} are shown; --limit 0 shows all."
    notes.append("Nothing has been sent; `dealpulse alerts send` does it.")
    if deliveries:
        sent = [f"{channel}: {n} {state}" for (channel, state), n in sorted(deliveries.items())]
        notes.append(f"Deliveries so far: {', '.join(sent)}.")
    return Report(
        title=f"{connection}: alerts that would be raised and resolved",
        columns=_COLUMNS,
        rows=shown,
        facts={
            "connection": connection,
            "to_raise": by_action["raise"],
            "to_resolve": by_action["resolve"],
        },
        notes=notes,
    )


def _owners(engine: Engine, connection: str) -> dict[str, str]:
    """Deal id -> its owner's name."""
    deal, owner = schema.deal.c, schema.owner.c
    query = (
        select(deal.deal_id, owner.name)
        .join_from(
            schema.deal,
            schema.owner,
            (owner.connection == deal.connection) & (owner.owner_id == deal.owner_id),
        )
        .where(deal.connection == connection)
    )
    with reading(engine) as database:
        return {row.deal_id: row.name for row in database.execute(query)}
