"""Clients that read all deals of the stub, each to be run in a process of its own.

Peers keep records in a list: no database, no history, no repetition of what failed.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import requests
import urllib3
import yaml

from bench.stub import TOKEN
from sync.bootstrap import open_app
from sync.clock import SystemClock
from sync.jobs.context import JobContext
from sync.jobs.history import read_histories
from sync.jobs.pull import DEALS
from sync.jobs.saving import save
from sync.mirror import read, write

PROPERTIES = "dealname,amount,dealstage,closedate"
TOKEN_ENV = "BENCH_TOKEN"


def dealpulse(url: str, database_url: str, folder: str) -> dict[str, Any]:
    """The first load as `dealpulse sync` does it, page by page into the mirror."""
    at = SystemClock().now()
    with opened(url, database_url, folder) as ctx:
        source = ctx.source
        account = source.account()
        write.save_account(ctx.engine, ctx.connection, "hubspot", account, at=at)
        write.save_pipelines(ctx.engine, ctx.connection, source.pipelines(), at=at)
        cursor = read.cursor(ctx.engine, ctx.connection, DEALS)
        created, notes = 0, set()
        for page in source.deals(cursor, started_at=at, known=lambda _: {}):
            created += save(ctx, DEALS, page)["created"]
            notes.update(page.notes)
        source.close()
        return {"deals": created, "notes": sorted(notes)}


def histories(url: str, database_url: str, folder: str) -> dict[str, Any]:
    """The past of all deals that were loaded without it, as the first pull goes on to do."""
    with opened(url, database_url, folder) as ctx:
        return {"deals": read_histories(ctx)["histories"]}


@contextmanager
def opened(url: str, database_url: str, folder: str) -> Iterator[JobContext]:
    config = _config(Path(folder), url)
    environ = {TOKEN_ENV: TOKEN, "DEALPULSE_DATABASE_URL": database_url}
    with open_app(config, environ=environ) as app:
        yield app.context(app.config.connections[0])


def urllib3_orjson(url: str) -> dict[str, Any]:
    with urllib3.PoolManager() as pool:

        def get(path: str) -> Any:
            answer = pool.request("GET", url + path, headers=_HEADERS)
            return orjson.loads(answer.data)

        return _in_a_loop(get)


def requests_json(url: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.headers.update(_HEADERS)
        return _in_a_loop(lambda path: json.loads(session.get(url + path, timeout=60).text))


def official(url: str) -> dict[str, Any]:
    """hubspot-api-client's get_all."""
    from hubspot import HubSpot

    client = HubSpot(access_token=TOKEN, host=url)
    found = client.crm.deals.get_all(properties=PROPERTIES.split(","))
    return {"deals": len(found)}


_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def _in_a_loop(get: Callable[[str], Any]) -> dict[str, Any]:
    records: list[Any] = []
    after = ""
    while True:
        where = f"&after={after}" if after else ""
        answer = get(f"/crm/v3/objects/deals?limit=100&properties={PROPERTIES}{where}")
        records += answer["results"]
        following = answer.get("paging")
        if following is None:
            return {"deals": len(records)}
        after = following["next"]["after"]


def _config(folder: Path, url: str) -> Path:
    connection = {
        "kind": "hubspot",
        "name": "bench",
        "token_env": TOKEN_ENV,
        "base_url": url,
        "rate_limit_share": 1.0,
    }
    path = folder / "dealpulse.yaml"
    path.write_text(yaml.safe_dump({"connections": [connection]}), encoding="utf-8")
    return path
