"""The page: one HTML document without scripts or anything fetched from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from sync.config.secrets import redact
from sync.web.status import (
    ConnectionStatus,
    ForecastTotal,
    JobRun,
    StatusSnapshot,
    ago,
    readiness,
)

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #767676; --good: #1a7f37; --bad: #b42318 }
@media (prefers-color-scheme: dark) { :root { --soft: #a0a0a0; --good: #57c273; --bad: #ff8a80 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
caption { text-align: left; font-weight: 600; padding: .25rem 0 }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { font-weight: 500; color: var(--soft) } tbody th { color: inherit; white-space: nowrap }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.scroll { overflow-x: auto } .soft { color: var(--soft) }
.good { color: var(--good) } .bad { color: var(--bad) }
"""


def _hash(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


_DEFINITION: Final = (
    "Forecast = won so far in the period + what is expected in it from open deals and from new "
    "ones, not yet created (-: the method leaves these out). One time in ten it will be less than "
    "P10, one in ten more than P90. Open: amounts of open deals due in the period. dealpulse "
    "forecast shows what is left out, dealpulse backtest how far each method has been off."
)

STYLE_HASH: Final = _hash(_STYLE)
"""What the Content-Security-Policy allows as the only style."""


def render(snapshot: StatusSnapshot) -> str:
    """The whole page for one moment."""
    failing = [check for check in readiness(snapshot) if not check.ok]
    state = (
        '<p class="bad" role="status">Not ready</p>'
        + _list(f"{check.name}: {check.detail}" for check in failing)
        if failing
        else '<p class="good" role="status">Ready</p>'
    )
    parts = [
        f"<h1>dealpulse</h1><p class=soft>Version {_text(snapshot.version)}, "
        f"as of {_time(snapshot.as_of)}</p>{state}",
        *(_connection(snapshot, connection) for connection in snapshot.connections),
    ]
    return _document("\n".join(parts))


def render_problem(problem: str) -> str:
    """The page when there is nothing to show."""
    return _document(
        f'<h1>dealpulse</h1><p class="bad" role="status">Not ready</p><p>{_text(problem)}</p>'
    )


def _document(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>dealpulse</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _connection(snapshot: StatusSnapshot, connection: ConnectionStatus) -> str:
    pulled = connection.last_pull_at
    when = f"{_time(pulled)} ({ago(snapshot.as_of - pulled)})" if pulled else "never yet"
    deals = _counts(connection.deals) or "none"
    alerts = _counts(connection.open_alerts) or "none"
    return (
        f"<section><h2>{_text(connection.name)}</h2>\n<p>Last successful pull: {when}"
        f"<br>Deals: {deals}<br>Open alerts: {alerts}</p>\n"
        f"{_forecasts(connection)}{_runs(connection.runs)}</section>"
    )


def _forecasts(connection: ConnectionStatus) -> str:
    forecasts = connection.forecasts
    if not forecasts:
        return "<p class=soft>No forecast yet.</p>\n"
    heads = ("Period", "Method", "Forecast", "P10", "P90", "Won", "From open", "From new", "Open")
    rows = [
        _row(
            each.period,
            _text(_method(each)),
            *(
                _number("-" if amount is None else _money(amount))
                for amount in (
                    each.forecast,
                    each.p10,
                    each.p90,
                    each.won_amount,
                    each.weighted_amount,
                    each.new_amount,
                    each.open_amount,
                )
            ),
        )
        for each in forecasts
    ]
    caption = f"Forecast, all {forecasts[0].open_deals:,} open deals, {forecasts[0].currency}"
    table = _table(caption, heads, rows, numbers_from=2)
    notes = "".join(f"<p>{_text(note)}</p>\n" for note in connection.notes)
    return f"{table}{notes}<p class=soft>{_text(_DEFINITION)}</p>\n"


def _method(total: ForecastTotal) -> str:
    variant = {"crm": "CRM"}.get(total.variant, total.variant)
    return total.method.replace("_", " ") + (f" ({variant})" if variant else "")


def _runs(runs: Sequence[JobRun]) -> str:
    if not runs:
        return "<p class=soft>No job has run yet.</p>\n"
    rows = [_row(run.job, _outcome(run), _time(run.started_at), _did(run)) for run in runs]
    return _table("Last run of each job", ("Job", "Outcome", "Started", "What it did"), rows)


def _outcome(run: JobRun) -> str:
    kind = {"ok": "good", "failed": "bad", "abandoned": "bad"}.get(run.status, "soft")
    took = ""
    if run.ended_at:
        took = (
            f" <span class=soft>in {(run.ended_at - run.started_at).total_seconds():.1f} s</span>"
        )
    return f'<span class="{kind}">{_text(run.status)}</span>{took}'


def _did(run: JobRun) -> str:
    counts = _counts({name: count for name, count in run.counts.items() if count})
    parts = [part for part in (_text(run.error or ""), counts) if part]
    return "<br>".join(parts) or ("nothing new" if run.status == "ok" else "")


def _table(caption: str, heads: Sequence[str], rows: Sequence[str], numbers_from: int = 99) -> str:
    cells = "".join(
        f"<th scope=col{' class=number' if i >= numbers_from else ''}>{_text(head)}</th>"
        for i, head in enumerate(heads)
    )
    return (
        f'<div class=scroll tabindex=0 role=region aria-label="{_text(caption)}">'
        f"<table><caption>{_text(caption)}</caption><thead><tr>{cells}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
    )


def _row(name: str, *cells: str) -> str:
    """`cells` are HTML already; one that is a whole <td> stays as it is."""
    made = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    return f"<tr><th scope=row>{_text(name)}</th>{made}</tr>\n"


def _number(text: str) -> str:
    return f"<td class=number>{_text(text)}</td>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_text(name.replace('_', ' '))} {count}" for name, count in counts.items())


def _time(instant: datetime) -> str:
    instant = instant.astimezone(UTC)
    return f'<time datetime="{instant:%Y-%m-%dT%H:%M:%SZ}">{instant:%Y-%m-%d %H:%M} UTC</time>'


def _money(amount: float) -> str:
    return f"{amount:,.0f}"


def _text(text: str) -> str:
    return escape(redact(text))
