"""`python -m bench [which]`: print tables and write JSON into bench/out/.

A benchmark is imported when it runs: processes that are measured import this module again, and
would hold all that the others need.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).with_name("out")
CONSOLE = Console(width=140)
_ALL = ("loop", "sync", "forecast", "scale", "process")


def main() -> None:
    told = _parser().parse_args()
    for name in [told.benchmark] if told.benchmark else _ALL:
        if name == "loop":
            _write(name, run_loop(told.deals or [2_000, 10_000]))
        elif name == "sync":
            _write(name, run_sync(told))
        elif name == "forecast":
            _write(name, run_forecast(told.data))
        elif name == "process":
            _write(name, run_process(told.seeds))
        else:
            _write(name, run_scale(told.deals or [10_000, 100_000]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benchmark", nargs="?", choices=_ALL)
    parser.add_argument(
        "--deals",
        type=int,
        action="append",
        help="sizes: loop 2000 and 10000, sync 10000, scale 10000 and 100000 unless given",
    )
    parser.add_argument(
        "--data", action="append", help="forecast: only data sets whose name starts with this"
    )
    parser.add_argument(
        "--database", action="append", help="sync: sqlite, postgres; both unless given"
    )
    parser.add_argument(
        "--quick", action="store_true", help="sync: without the runs at 150 ms under limits"
    )
    parser.add_argument("--alone", action="store_true", help="sync: without other clients")
    parser.add_argument(
        "--histories", action="store_true", help="sync: after each load the past of all deals"
    )
    parser.add_argument("--seeds", type=int, default=40, help="process: so many companies of each")
    return parser


def run_loop(sizes: Iterable[int]) -> list[dict[str, Any]]:
    from bench import loop

    results = []
    for deals in sizes:
        result = loop.run(deals)
        results.append(result)
        table = Table(title=f"The loop, {deals:,} deals, SQLite", title_justify="left")
        for heading in ("step", "seconds", "cpu s", "deals/s", "peak MB", "requests"):
            table.add_column(heading, justify="left" if heading == "step" else "right")
        for name, figures in result["steps"].items():
            table.add_row(name, *(f"{value:,}" for value in figures.values()))
        CONSOLE.print(table)
    return results


def run_sync(told: argparse.Namespace) -> list[dict[str, Any]]:
    from bench import sync

    results = []
    for deals in told.deals or [10_000]:
        wanted = sync.Wanted(
            deals,
            databases=told.database or ["sqlite", "postgres"],
            others=not told.alone,
            slow=not told.quick,
            past=told.histories,
        )
        results.append(sync.run(wanted))
        _print(sync.tables(results[-1]))
    return results


def run_forecast(names: Iterable[str] | None) -> list[dict[str, Any]]:
    from bench import forecast

    wanted = tuple(names or [""])
    results = []
    for case in forecast.cases():
        if case.name.startswith(wanted):
            for result in forecast.run(case):
                results.append(result)
                _print(forecast.tables(result))
    if results:
        _print(forecast.summary(results))
    return results


def run_scale(sizes: Iterable[int]) -> list[dict[str, Any]]:
    from bench import scale

    results = []
    for deals in sizes:
        results.append(scale.run(deals))
        _print(scale.tables(results[-1]))
    return results


def run_process(seeds: int) -> list[dict[str, Any]]:
    from bench import process

    results = process.run(seeds)
    _print(process.tables(results))
    return results


def _print(tables: Iterable[Table]) -> None:
    for table in tables:
        CONSOLE.print(table)


def _write(name: str, results: list[dict[str, Any]]) -> None:
    OUT.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    CONSOLE.print(f"Written to {path.relative_to(OUT.parents[1])}")


if __name__ == "__main__":
    main()
