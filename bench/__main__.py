"""`python -m bench --deals 3000 --deals 10000`: run the benchmarks, print tables, write JSON."""

import argparse
import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import loop

OUT = Path(__file__).with_name("out")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--deals", type=int, action="append", help="sizes; default 2000 and 10000")
    sizes = parser.parse_args().deals or [2_000, 10_000]
    console = Console(width=100)
    results = []
    for deals in sizes:
        result = loop.run(deals)
        results.append(result)
        table = Table(title=f"The loop, {deals:,} deals, SQLite", title_justify="left")
        for heading in ("step", "seconds", "cpu s", "deals/s", "peak MB", "requests"):
            table.add_column(heading, justify="left" if heading == "step" else "right")
        for name, figures in result["steps"].items():
            table.add_row(name, *(f"{value:,}" for value in figures.values()))
        console.print(table)
    OUT.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    path = OUT / "loop.json"
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    console.print(f"Written to {path.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
