"""Generated companies of known truth: are win rates, stage times and a planted bottleneck found,
and is a company without one left in peace?
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import repeat
from math import comb
from multiprocessing import get_context
from typing import Any, Final

from rich.table import Table

from bench.companies import framed
from bench.datasets import Account
from forecasting.bottlenecks import Bottleneck, Process, examine
from forecasting.competing_risks import incidence
from forecasting.history import stage_stays
from forecasting.passages import passages, visits
from forecasting.sizes import size_bounds, with_size_class
from forecasting.velocity import drivers, watched_spells
from sync.sandbox.generator.company import generate
from sync.sandbox.generator.settings import CompanySettings

UNTIL: Final = datetime(2026, 3, 2, 6, tzinfo=UTC)
TODAY: Final = date(2026, 3, 2)
DEALS: Final = 6000
ZONE: Final = "Europe/Oslo"

SOUND: Final[dict[str, Any]] = {"zombies": 0.0}
"""A company that holds nothing up: what dies is closed."""

PLANTED: Final[dict[str, tuple[dict[str, Any], tuple[str, str | None] | None]]] = {
    "sound": (SOUND, None),
    "slow stage": (SOUND | {"slow_stage": "demo_held"}, ("slow_stage", "demo_held")),
    "leaky stage": (SOUND | {"leaky_stage": "proposal_sent"}, ("leaky_stage", "proposal_sent")),
    "dirty pipeline": ({"zombies": 0.25}, ("dirty_pipeline", None)),
}
"""What is planted: the generator's settings, and the bottleneck that has to be found."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """`win_rates`, `stage_days`: name -> whether the truth lies in the 95 % interval."""

    win_rates: dict[str, bool]
    stage_days: dict[str, bool]
    accused: list[tuple[str, str | None]]


def recover(seed: int, settings: dict[str, Any], *, deals: int = DEALS) -> Recovered:
    """One company examined over its whole history."""
    company = generate(seed=seed, until=UNTIL, deals=deals, settings=CompanySettings(**settings))
    account = framed(company, "generated")
    truth = company.truth
    process = process_of(account)
    watched = watched_spells(process.deals, since=process.since, as_of=UNTIL, today=TODAY)
    rates = {row["pipeline_id"]: row for row in incidence(watched, ["pipeline_id"]).to_dicts()}
    found_rates = {
        pipeline: _holds(rates[pipeline], "share_low", "share_high", rate)
        for pipeline, rate in truth["win_rate"].items()
    }
    table = process.stage_table(process.since_day, TODAY)
    found_days = {}
    for row in table.to_dicts():
        known = truth["stages"][row["pipeline_id"]][row["stage_id"]]
        found_rates[row["stage_id"]] = _holds(
            row, "win_rate_low", "win_rate_high", known["win_rate"]
        )
        found_days[row["stage_id"]] = _holds(row, "days_low", "days_high", known["mean_days"])
    return Recovered(found_rates, found_days, _accused(account))


def _holds(row: dict[str, Any], low: str, high: str, truth: float) -> bool:
    return row[low] is not None and row[low] <= truth <= row[high]


def process_of(account: Account, *, window_days: int | None = None) -> Process:
    """The account with everything that is derived from it; the window: all of its history."""
    deals = with_size_class(account.deals, size_bounds(account.deals))
    stays = stage_stays(account.changes, deals, account.stages, UNTIL)
    visited = visits(stays, deals, account.stages)
    whole = (TODAY - deals["created_on"].min()).days + 1  # type: ignore[operator]
    return Process(
        deals, account.changes, account.stages, stays, visited, passages(visited, UNTIL),
        UNTIL, TODAY, ZONE, window_days or whole,
    )  # fmt: skip


def examined(account: Account, *, window_days: int = 365) -> list[Bottleneck]:
    process = process_of(account, window_days=window_days)
    found = drivers(
        process.deals, as_of=UNTIL, today=TODAY, zone=ZONE, window_days=window_days,
        segments=("total", "pipeline"),
    )  # fmt: skip
    return examine(process, found, [])


def _accused(account: Account) -> list[tuple[str, str | None]]:
    return [(each.code, each.stage_id) for each in examined(account) if each.accused]


def run(seeds: int) -> list[dict[str, Any]]:
    """Per planted bottleneck, in how many of `seeds` companies each truth was found.

    Every kind of company has seeds of its own: one seed draws the same lives for all kinds, and
    what chance did in one of them would stand in every row.
    """
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return [
            _counts(pool, 1 + 1000 * number, seeds, name) for number, name in enumerate(PLANTED)
        ]


def _counts(pool: Executor, first: int, seeds: int, name: str) -> dict[str, Any]:
    settings, expected = PLANTED[name]
    found = list(pool.map(recover, range(first, first + seeds), repeat(settings)))
    rates = _counted([each.win_rates for each in found])
    days = _counted([each.stage_days for each in found])
    wanted = [expected] if expected else []
    return {
        "company": name,
        "seeds": seeds,
        "first_seed": first,
        "win_rate_in_interval": rates,
        "stage_days_in_interval": days,
        "bottleneck_found": sum(set(wanted) <= set(each.accused) for each in found),
        "nobody_else_accused": sum(set(each.accused) <= set(wanted) for each in found),
        "accused": [each.accused for each in found],
    }


def _counted(found: list[dict[str, bool]]) -> dict[str, int]:
    return {name: sum(each[name] for each in found) for name in found[0]}


def expected_least(seeds: int, figures: int, coverage: float = 0.95) -> float:
    """The least count to expect of so many figures whose intervals hold the truth just as often as
    they say, each by itself.
    """
    chances = [
        comb(seeds, n) * coverage**n * (1 - coverage) ** (seeds - n) for n in range(seeds + 1)
    ]
    return sum(sum(chances[n:]) ** figures for n in range(1, seeds + 1))


def tables(results: list[dict[str, Any]]) -> Iterator[Table]:
    table = Table(title="Truth found again, of so many seeds", title_justify="left")
    for heading in ("company", "seeds", "planted found", "nobody else accused", "win rates, all",
                    "least", "expected", "stage days, all", "least", "expected"):  # fmt: skip
        justify: Any = "left" if heading == "company" else "right"
        table.add_column(heading, justify=justify, overflow="fold")
    for each in results:
        table.add_row(
            each["company"],
            str(each["seeds"]),
            str(each["bottleneck_found"]),
            str(each["nobody_else_accused"]),
            *_told(each["win_rate_in_interval"], each["seeds"]),
            *_told(each["stage_days_in_interval"], each["seeds"]),
        )
    yield table


def _told(counts: dict[str, int], seeds: int) -> tuple[str, str, str]:
    """The share of all in their interval, the figure that was least often, what to expect of it."""
    least, count = min(counts.items(), key=lambda one: one[1])
    share = sum(counts.values()) / (seeds * len(counts))
    return f"{share:.1%}", f"{count} ({least})", f"{expected_least(seeds, len(counts)):.1f}"
