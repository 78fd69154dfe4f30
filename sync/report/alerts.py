"""Alerts that would be raised and resolved."""

from collections.abc import Mapping, Sequence

from sync.report.table import Column, Report

_COLUMNS = (
    Column("action", "Would"),
    Column("deal", "Deal"),
    Column("rule", "Rule"),
    Column("why", "Why"),
)


def alerts_report(
    connection: str,
    rows: Sequence[Mapping[str, object]],
    deliveries: Mapping[tuple[str, str], int],
) -> Report:
    """`rows`: action, deal, rule, why. `deliveries`: (channel, state) -> how many so far."""
    told = [f"{channel}: {n} {state}" for (channel, state), n in sorted(deliveries.items())]
    notes = ["Nothing has been sent; `dealpulse alerts send` does it."]
    if told:
        notes.append(f"Deliveries so far: {', '.join(told)}.")
    return Report(
        title=f"{connection}: alerts",
        columns=_COLUMNS,
        rows=rows,
        facts={"connection": connection},
        notes=notes,
    )
