"""What write-back would do, and what it did."""

import dataclasses
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine, func, select

from sync.mirror import schema
from sync.mirror.engine import reading
from sync.report.table import Column, Report

_PREFIX = "dealpulse_"
_PLAN = (
    Column("deal_id", on_screen=False),
    Column("deal", "Deal"),
    Column("property", "Property"),
    Column("before", "In the CRM"),
    Column("after", "To be written"),
)
_LEAD_PLAN = (Column("lead_id", "Lead"), *_PLAN[2:])
_JOURNAL = (
    Column("deal", "Deal"),
    Column("state", "Outcome"),
    Column("after", "Written"),
)


def plan_report(
    connection: str,
    rows: Sequence[Mapping[str, object]],
    *,
    deals: int,
    enabled: bool,
) -> Report:
    """`rows`: deal_id, deal, property, before, after; one per value that would change."""
    notes = [f"{deals} deals, {len(rows)} values. Nothing has been written."]
    if not enabled:
        notes.append(
            f"Write-back is off for {connection}: set connections[].write_back.enabled to true."
        )
    return Report(
        title=f"{connection}: what write-back would write",
        columns=_PLAN,
        rows=rows,
        facts={"connection": connection, "deals": deals, "values": len(rows), "enabled": enabled},
        notes=notes,
    )


def lead_plan_report(
    connection: str, rows: Sequence[Mapping[str, object]], *, leads: int, enabled: bool
) -> Report:
    """`rows`: lead_id, property, before, after; one per value that would change."""
    notes = [f"{leads} leads, {len(rows)} values. Nothing has been written."]
    if not enabled:
        notes.append(
            f"Lead scores are not written to {connection}: set connections[].leads.write_back to "
            "true."
        )
    return Report(
        title=f"{connection}: what write-back would write to leads",
        columns=_LEAD_PLAN,
        rows=rows,
        facts={"connection": connection, "leads": leads, "values": len(rows), "enabled": enabled},
        notes=notes,
    )


def on_screen(report: Report, limit: int) -> Report:
    """`report` of a plan as a person reads it: the first `limit` rows (0 = all), each deal or lead
    named once, properties without the prefix that all of them have.
    """
    shown: list[dict[str, object]] = []
    before = None
    whose = report.columns[0].key
    named = next(column.key for column in report.columns if column.on_screen)
    for row in report.rows[:limit] if limit else report.rows:
        name = str(row["property"]).removeprefix(_PREFIX)
        again = row[whose] == before
        shown.append({**row, "property": name, named: "" if again else row[named]})
        before = row[whose]
    notes = [f"Each property's name begins with {_PREFIX}."] if shown else []
    if len(shown) < len(report.rows):
        notes.append(f"The first {len(shown)} values are shown; --limit 0 shows all.")
    return dataclasses.replace(report, rows=shown, notes=[*notes, *report.notes])


def journal_report(engine: Engine, connection: str, run_id: int, *, limit: int) -> Report:
    """The first `limit` deals that one run wrote, and how many there were by outcome."""
    journal, deal = schema.write_journal, schema.deal
    of_run = (journal.c.connection == connection, journal.c.job_run_id == run_id)
    query = (
        select(journal.c.deal_id, deal.c.name, journal.c.state, journal.c.after)
        .join(
            deal,
            (deal.c.connection == journal.c.connection) & (deal.c.deal_id == journal.c.deal_id),
        )
        .where(*of_run)
        .order_by(journal.c.id)
        .limit(limit)
    )
    with reading(engine) as database:
        rows = database.execute(query).mappings().all()
        outcomes = database.execute(
            select(journal.c.state, func.count()).where(*of_run).group_by(journal.c.state)
        ).all()
    lines: list[dict[str, object]] = [
        {
            "deal": row["name"],
            "deal_id": row["deal_id"],
            "state": row["state"],
            "after": ", ".join(
                f"{name.removeprefix('dealpulse_')}={value or '(empty)'}"
                for name, value in row["after"].items()
                if name not in ("dealpulse_explanation", "dealpulse_computed_at")
            ),
        }
        for row in rows
    ]
    total = sum(n for _, n in outcomes)
    by_outcome = ", ".join(f"{n} {state}" for state, n in outcomes)
    notes = [f"{total} deals: {by_outcome}."] if total else ["No deal had to be written."]
    if total > len(lines):
        notes[0] += f" The first {len(lines)} are shown."
    return Report(
        title=f"{connection}: written to the CRM", columns=_JOURNAL, rows=lines, notes=notes
    )
