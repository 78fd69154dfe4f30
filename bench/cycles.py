"""What a daemon's cycles cost once all is loaded: with nothing changed, and with 300 changed."""

import time
from typing import Any, Final

import urllib3
from sqlalchemy import Engine, Table, func, select

from bench.stub import CHANGE
from bench.sync_clients import opened
from sync.jobs import chain
from sync.jobs.context import JobContext
from sync.jobs.runner import run_job
from sync.mirror.engine import open_engine, reading
from sync.mirror.schema import deal, deal_change, owner, stage, unparsed_value

CHANGED: Final = 300
CYCLES: Final = {
    "the first after the load": 0,
    "nothing changed": 0,
    f"{CHANGED} changed": CHANGED,
    "nothing changed again": 0,
}
"""What a cycle finds, in the order in which they run -> deals that change before it."""


def daemon(url: str, database_url: str, folder: str) -> list[dict[str, Any]]:
    """`CYCLES` in one process."""
    with opened(url, database_url, folder) as ctx:
        rows = []
        for name, changed in CYCLES.items():
            if changed:
                urllib3.request("GET", f"{url}{CHANGE}{changed}")
            rows.append({"cycle": name} | _cycle(ctx))
        return rows


def take_past_as_read(database_url: str) -> None:
    """Where it was not: reading it is a load's work, not a cycle's."""
    engine = open_engine(database_url)
    with engine.begin() as transaction:
        waiting = deal.update().where(deal.c.history_read_at.is_(None))
        transaction.execute(waiting.values(history_read_at=deal.c.pulled_at))
    engine.dispose()


def _cycle(ctx: JobContext) -> dict[str, Any]:
    before, last = _rows(ctx.engine), _last_written(ctx.engine)
    cpu = time.process_time()
    result = run_job(chain.PULL, ctx)
    used = time.process_time() - cpu
    if result.error is not None:
        raise result.error
    after = _rows(ctx.engine)
    return {
        "requests": result.requests,
        "deals_written": _count(ctx.engine, deal, deal.c.pulled_at > last),
        "rows_added": {name: after[name] - before[name] for name in after},
        "cpu_s": round(used, 2),
        "seconds": round(result.seconds, 2),
    }


def _rows(engine: Engine) -> dict[str, int]:
    return {
        table.name: _count(engine, table) for table in (deal_change, owner, stage, unparsed_value)
    }


def _last_written(engine: Engine) -> Any:
    with reading(engine) as snapshot:
        return snapshot.execute(select(func.max(deal.c.pulled_at))).scalar_one()


def _count(engine: Engine, table: Table, *conditions: Any) -> int:
    with reading(engine) as snapshot:
        query = select(func.count()).select_from(table).where(*conditions)
        return int(snapshot.execute(query).scalar_one())
