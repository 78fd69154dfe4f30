"""The whole loop against the sandbox CRM: how fast, at what cost, beside a plain read of the same.

The sandbox runs in a process of its own without rate limits, so the figures are the client's. The
plain read pages through the same list with `requests` and `json` and keeps the records in memory:
no history of its own, no database, no errors handled. It is the floor, not a competitor.
"""

import json
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
import yaml

from bench.measure import Measured, measured
from sync.bootstrap import open_app
from sync.jobs import chain
from sync.jobs.runner import Job, run_chain
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.generator import generate
from sync.sandbox.server import serve

TOKEN_ENV = "BENCH_TOKEN"


def run(deals: int, database_url: str | None = None) -> dict[str, Any]:
    """First load, assessment, write-back and an unchanged second cycle of `deals` deals."""
    with _sandbox(deals) as (url, token), tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), url, database_url)
        environ = {TOKEN_ENV: token}
        steps = {
            "plain read": measured(plain_read, url, token),
            "first load": measured(work, config, environ, ["pull"]),
            "assess": measured(work, config, environ, ["assess"]),
            "write back": measured(work, config, environ, ["write_back"]),
            "second cycle": measured(work, config, environ, ["pull", "assess", "write_back"]),
            "third cycle": measured(work, config, environ, ["pull", "assess", "write_back"]),
        }
    return {"deals": deals, "steps": {name: _figures(m, deals) for name, m in steps.items()}}


def work(config: Path, environ: dict[str, str], jobs: Sequence[str]) -> int:
    """The requests that `jobs` took."""
    every: dict[str, Job] = {job.name: job for job in (chain.PULL, chain.ASSESS, chain.WRITE_BACK)}
    with open_app(config, environ=environ, migrate=True) as app:
        (settings,) = app.config.connections
        results = run_chain([every[name] for name in jobs], app.context(settings))
        for result in results:
            if result.error is not None:
                raise result.error
    return sum(result.requests for result in results)


def plain_read(url: str, token: str) -> int:
    """What a first script does: a loop over the list, 100 a page, parsed into dictionaries."""
    records: list[dict[str, Any]] = []
    pages, after = 0, None
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        while True:
            query = {"limit": "100", "properties": "dealname,amount,dealstage,closedate"}
            if after is not None:
                query["after"] = after
            response = session.get(f"{url}/crm/v3/objects/deals", params=query, timeout=60)
            content = json.loads(response.text)
            records += content["results"]
            pages += 1
            after = content.get("paging", {}).get("next", {}).get("after")
            if after is None:
                return pages


def _figures(m: Measured, deals: int) -> dict[str, float]:
    return {
        "seconds": round(m.wall_s, 2),
        "cpu_s": round(m.cpu_s, 2),
        "deals_per_s": round(deals / m.wall_s),
        "peak_mb": round(m.peak_mb),
        "requests": m.result,
    }


@contextmanager
def _sandbox(deals: int) -> Iterator[tuple[str, str]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, deals), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)
        process.terminate()


def _serve(pipe: Connection, deals: int) -> None:
    company = generate(seed=1, until=datetime.now(UTC), years=3, deals=deals)
    with serve(company, behaviour=Behaviour(rate_limit=None)) as sandbox:
        pipe.send((sandbox.url, sandbox.token))
        pipe.recv()


def _config(folder: Path, url: str, database_url: str | None) -> Path:
    settings = {
        "database": {"url": database_url or f"sqlite:///{folder / 'mirror.db'}"},
        "connections": [
            {
                "kind": "hubspot",
                "name": "bench",
                "token_env": TOKEN_ENV,
                "base_url": url,
                "write_back": {"enabled": True},
            }
        ],
    }
    path = folder / "dealpulse.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path
