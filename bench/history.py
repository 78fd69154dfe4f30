"""`python -m bench.history [deals]`: how fast the past of loaded deals is read, against the stub.

The limit: 190 requests in 10 s, 50 deals in each: 950 deals a second. Prints a line and JSON.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.stub import TOKEN, Settings, serve
from sync.bootstrap import open_app
from sync.jobs import chain
from sync.jobs.history import read_histories
from sync.jobs.runner import run_job
from sync.mirror import history_reads
from sync.mirror.schema import deal_change

LIMIT = 950.0
TOKEN_ENV = "BENCH_TOKEN"


def measure(deals: int, latency_s: float, *, limited: bool) -> dict[str, Any]:
    """Reads all pasts again after a whole first pull; rates of the second reading alone."""
    with serve(Settings(deals, latency_s, limited)) as stub, tempfile.TemporaryDirectory() as home:
        config = _config(Path(home), stub.url)
        with open_app(config, environ={TOKEN_ENV: TOKEN}, migrate=True) as app:
            ctx = app.context(app.config.connections[0])
            _load_without_past(ctx)
            stub.counted()
            began, cpu = time.monotonic(), os.times()
            counts = read_histories(ctx)
            seconds, used = time.monotonic() - began, os.times()
            counted = stub.counted()
        spent = used.user + used.system - cpu.user - cpu.system
        return {
            "deals": counts["histories"],
            "latency_s": latency_s,
            "limited": limited,
            "deals_per_s": round(counts["histories"] / seconds, 1),
            "share_of_limit": round(counts["histories"] / seconds / LIMIT, 3),
            "cpu_s_per_100k": round(spent / counts["histories"] * 100_000, 2),
            "requests": counted.requests,
            "refused": counted.refused,
        }


def _config(home: Path, url: str) -> Path:
    connection = {
        "kind": "hubspot",
        "name": "bench",
        "token_env": TOKEN_ENV,
        "base_url": url,
        "rate_limit_share": 1.0,
    }
    settings = {
        "database": {"url": f"sqlite:///{home}/mirror.db"},
        "connections": [connection],
    }
    path = home / "dealpulse.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def _load_without_past(ctx: Any) -> None:
    result = run_job(chain.PULL, ctx)
    if result.error is not None:
        raise result.error
    with ctx.engine.begin() as transaction:
        transaction.execute(deal_change.delete())
    history_reads.forget_histories(ctx.engine, ctx.connection)


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for latency, limit in ((0.0, False), (0.15, False), (0.15, True)):
        print(json.dumps(measure(wanted, latency, limited=limit)))
