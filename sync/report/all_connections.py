"""What all connections come to together, in one currency."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Engine

from sync.config.model import Config
from sync.config.rates import rate_to_report
from sync.report.forecast import Segment, forecast_report
from sync.report.table import Report

ALL = "all connections"
_MONEY = ("won_amount", "open_amount", "forecast_crm", "forecast_learned")
_COUNTS = ("won_deals", "open_deals")


def all_connections_report(engine: Engine, config: Config) -> Report:
    """The sum of every connection's forecast, a row a period.

    Without rows where a connection cannot be converted, or has no forecast: a total that leaves
    one out is worse than none. The note says what is missing. Raises ConfigError where nothing is
    computed yet for one of them.
    """
    reports = [forecast_report(engine, c.name, Segment.TOTAL) for c in config.connections]
    into = _currency(reports, config)
    if into is None:
        used = ", ".join(sorted({str(report.facts["currency"]) for report in reports}))
        return _empty(
            reports[0], f"No total: the connections' currencies differ ({used}). Set "
            "reporting_currency, and exchange_rates into it."
        )  # fmt: skip
    rates = {}
    for report in reports:
        currency = str(report.facts["currency"])
        rate = Decimal(1) if currency == into else rate_to_report(config, currency)
        if rate is None:
            name = report.facts["connection"]
            return _empty(
                reports[0],
                f"No total: {name} is in {currency}, which has no rate into {into}; add it to "
                "exchange_rates.",
            )
        rates[currency] = rate
    return Report(
        title=f"{ALL}: opportunity-stage forecast, {into}",
        columns=reports[0].columns,
        rows=_sums(reports, rates),
        facts={"connection": ALL, "currency": into},
        notes=[_note(rates, into)],
    )


def _currency(reports: Sequence[Report], config: Config) -> str | None:
    """The reporting currency, or the one that all have; None where they differ."""
    used = {str(report.facts["currency"]) for report in reports}
    if config.reporting_currency is not None:
        return config.reporting_currency
    return used.pop() if len(used) == 1 else None


def _sums(reports: Sequence[Report], rates: dict[str, Decimal]) -> list[dict[str, object]]:
    sums: dict[object, dict[str, object]] = {}
    for report in reports:
        rate = float(rates[str(report.facts["currency"])])
        for row in report.rows:
            line = sums.setdefault(row["period"], {"period": row["period"], "segment": ALL})
            for name in _MONEY:
                line[name] = _plus(line.get(name, 0.0), row.get(name), rate)
            for name in _COUNTS:
                line[name] = int(str(line.get(name, 0))) + int(str(row[name]))
    return list(sums.values())


def _plus(so_far: object, value: object, rate: float) -> float | None:
    """Unknown where any of the parts is."""
    if so_far is None or value is None:
        return None
    return float(str(so_far)) + float(str(value)) * rate


def _note(rates: dict[str, Decimal], into: str) -> str:
    used = [f"1 {currency} = {rate} {into}" for currency, rate in rates.items() if currency != into]
    return f"Converted at {', '.join(used)}." if used else "Nothing had to be converted."


def _empty(like: Report, note: str) -> Report:
    title = f"{ALL}: opportunity-stage forecast"
    return replace(like, title=title, rows=[], facts={"connection": ALL}, notes=[note])
