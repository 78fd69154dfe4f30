"""The house around a world: configuration, mirror and jobs, as the daemon has them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from sync.bootstrap import App, open_app
from sync.crm.base import DealPage
from sync.jobs import chain
from sync.jobs.pull import DEALS
from sync.jobs.runner import Job, JobResult, run_chain
from sync.mirror import read, schema, write_deals
from tests.contract.world import Truth, World
from tests.fake_clock import FakeClock


@contextmanager
def house(
    worlds: Sequence[World], home: Path, clock: FakeClock, database: Path | str, **more: Any
) -> Iterator[App]:
    """One configuration with all of the worlds' connections, write-back on."""
    url = database if isinstance(database, str) else f"sqlite:///{database}"
    settings = {
        "database": {"url": url},
        "connections": [{**w.settings, "write_back": {"enabled": True}} for w in worlds],
        **more,
    }
    path = home / "dealpulse.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    environ = {name: value for w in worlds for name, value in w.environ.items()}
    with open_app(path, environ=environ, clock=clock, migrate=True) as app:
        yield app


def run(app: App, world: World, *jobs: Job) -> list[JobResult]:
    """As one cycle of the daemon; results also of what failed."""
    (settings,) = app.settings(world.name)
    return run_chain(jobs or chain.cycle(settings), app.context(settings))


def pull(app: App, world: World) -> JobResult:
    """Minutes later; what the CRM shows is what is true. Raises what went wrong."""
    world.clock.advance(minutes=15)
    world.settle()
    (result,) = run(app, world, chain.PULL)
    if result.error is not None:
        raise result.error
    return result


def pages(app: App, world: World, *, save: int | None = None) -> list[DealPage]:
    """The next pull page by page, without the pull job; the first `save` are kept (None = all),
    as when the process is killed after them."""
    (settings,) = app.settings(world.name)
    source = app.connected(settings).source
    source.account()
    source.pipelines()
    found: list[DealPage] = []
    reading = source.deals(
        read.cursor(app.engine, world.name, DEALS),
        started_at=app.clock.now(),
        known=lambda ids: read.known_states(app.engine, world.name, ids),
    )
    for page in reading:
        if save is not None and len(found) >= save:
            break
        keep(app, world, page)
        found.append(page)
    return found


def keep(app: App, world: World, page: DealPage) -> None:
    (settings,) = app.settings(world.name)
    history = app.connected(settings).source.capabilities.history
    write_deals.save_page(app.engine, world.name, DEALS, page, history=history, at=app.clock.now())


def mirrored(app: App, world: World) -> dict[str, Truth]:
    """The deals that the mirror believes to be in the CRM."""
    table = schema.deal
    with app.engine.connect() as database:
        rows = database.execute(
            select(table).where(table.c.connection == world.name, table.c.removed_at.is_(None))
        ).all()
    return {
        row.deal_id: Truth(
            row.name,
            row.status,
            None if row.amount is None else Decimal(row.amount),
            row.stage_id,
            row.owner_id,
        )
        for row in rows
    }


def contents(app: App, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that the mirror holds of a connection's deals, but for when it was looked at."""
    held = {}
    with app.engine.connect() as database:
        for table in (schema.deal, schema.deal_change):
            columns = [c for c in table.c if c.name not in ("pulled_at", "first_seen_at")]
            query = select(*columns).where(table.c.connection == name)
            held[table.name] = sorted(map(tuple, database.execute(query)), key=repr)
    return held
