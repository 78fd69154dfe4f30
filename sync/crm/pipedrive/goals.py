"""Pipedrive's goals: one goal is a target for each week, month, quarter or year of its duration.

Only `PipedriveGoals` calls. What Pipedrive does not say: BEHAVIOR.md.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sync.crm.goals import Goal, Goals, LeftOut, Measure
from sync.crm.pipedrive import paths, values
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.listing import records

METRICS: Final = {"sum": Measure.AMOUNT, "quantity": Measure.COUNT}
_WON: Final = "deals_won"
_MONTHS: Final = {"monthly": 1, "quarterly": 3, "yearly": 12}

BACK: Final = timedelta(days=2 * 366)
AHEAD: Final = timedelta(days=366)
"""Which of a goal's periods are of use; one may have begun long ago, and many have no end."""


class _Whose(NamedTuple):
    kind: str
    segment: str
    pipelines: tuple[str, ...] = ()


class PipedriveGoals:
    """A `GoalSource`."""

    def __init__(self, client: PipedriveClient) -> None:
        self._client = client

    def goals(self, *, zone: ZoneInfo, today: date) -> Goals:
        """Without a filter Pipedrive tells the token's own alone: all are of one metric or the
        other."""
        listed: list[Json] = []
        for metric in METRICS:
            query = {"expected_outcome.tracking_metric": metric, "is_active": "true"}
            answer = self._client.get(paths.GOALS, query, what="the goals")
            data = answer.get("data")
            listed += [g for g in (data or {}).get("goals") or () if isinstance(g, dict)]
        in_money = any((g.get("expected_outcome") or {}).get("currency_id") for g in listed)
        return goals(listed, self._currencies() if in_money else {}, today)

    def _currencies(self) -> dict[str, str]:
        """Id -> code."""
        answer = self._client.get(paths.CURRENCIES, what="the currencies")
        return {str(each["id"]): str(each["code"]).upper() for each in records(answer)}


def goals(listed: Iterable[Json], currencies: Mapping[str, str], today: date) -> Goals:
    """`currencies`: id -> code."""
    found: list[Goal] = []
    left_out: Counter[LeftOut] = Counter()
    for record in listed:
        try:
            made = list(_goals(record, currencies, today))
        except (ValueError, KeyError):
            made = [LeftOut.NOT_UNDERSTOOD]
        for each in made:
            if isinstance(each, Goal):
                found.append(each)
            else:
                left_out[each] += 1
    return Goals(found, left_out)


def _goals(record: Json, currencies: Mapping[str, str], today: date) -> Iterator[Goal | LeftOut]:
    """Raises ValueError or KeyError for what cannot be understood."""
    kind: Json = record.get("type") or {}
    if kind.get("name") != _WON:
        yield LeftOut.OTHER_KIND
        return
    whose = _whose(record.get("assignee") or {}, _pipelines(kind.get("params") or {}))
    if whose is None:
        yield LeftOut.NOBODY
        return
    outcome: Json = record.get("expected_outcome") or {}
    target = values.number(outcome.get("target"))
    if target is None or target <= 0:
        yield LeftOut.NOT_UNDERSTOOD
        return
    measure, currency = METRICS[outcome["tracking_metric"]], outcome.get("currency_id")
    for start, end in _periods(record, today):
        yield Goal(
            kind=whose.kind,
            segment=whose.segment,
            start=start,
            end=end,
            target=Decimal(target),
            measure=measure,
            currency=currencies[str(currency)] if currency and measure is Measure.AMOUNT else None,
            pipelines=whose.pipelines,
        )


def _pipelines(params: Json) -> tuple[str, ...]:
    chosen = params.get("pipeline_id") or []
    return tuple(sorted(map(str, chosen if isinstance(chosen, list) else [chosen])))


def _whose(assignee: Json, pipelines: tuple[str, ...]) -> _Whose | None:
    """None for a team's, of which Pipedrive tells the number only."""
    kind = assignee.get("type")
    if kind == "person":
        return _Whose("owner", str(assignee["id"]), pipelines)
    if kind != "company":
        return None
    if len(pipelines) == 1:
        return _Whose("pipeline", pipelines[0])
    return _Whose("total", "", pipelines)


def _periods(record: Json, today: date) -> Iterator[tuple[date, date]]:
    """The calendar weeks, months, quarters or years of the goal's duration that are of use, each
    with the first day after it; the first and the last may be cut."""
    lasts: Json = record.get("duration") or {}
    first, last = date.fromisoformat(lasts["start"]), lasts.get("end")
    stop = date.fromisoformat(last) + timedelta(days=1) if last else date.max
    interval = str(record["interval"])
    start = _begins(max(first, today - BACK), interval)
    while start < min(stop, today + AHEAD):
        end = _next(start, interval)
        yield max(start, first), min(end, stop)
        start = end


def _begins(day: date, interval: str) -> date:
    if interval == "weekly":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[interval]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _next(start: date, interval: str) -> date:
    if interval == "weekly":
        return start + timedelta(days=7)
    years, month0 = divmod(start.month - 1 + _MONTHS[interval], 12)
    return date(start.year + years, month0 + 1, 1)
