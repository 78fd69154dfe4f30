"""A small company in the sandbox, and the real house before it, on both databases."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from sync.bootstrap import App
from sync.jobs import chain
from sync.jobs.context import Counts, JobContext
from sync.jobs.runner import Job, run_job
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.sandbox.company import CompanyDeal
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.crm.conftest import company
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock


class House:
    """`crm`: what people do in it. `sent`: requests since the last time, as `GET /path?query`."""

    def __init__(
        self, sandbox: Sandbox, installation: Installation, app: App, clock: FakeClock
    ) -> None:
        self.sandbox = sandbox
        self.installation = installation
        self.crm = sandbox.crm
        self.app = app
        self.clock = clock
        (self.settings,) = app.config.connections
        self.ctx = app.context(self.settings)

    def run(self, job: Job, ctx: JobContext | None = None) -> Counts:
        result = run_job(job, ctx or self.ctx)
        if result.error is not None:
            raise result.error
        return result.counts

    def pull(self) -> Counts:
        return self.run(chain.PULL)

    def sweep(self) -> Counts:
        return self.run(chain.SWEEP)

    def restarted(self, **changed: Any) -> JobContext:
        """The surroundings in a new process."""
        return replace(self.app.context(self.settings), **changed)

    def sent(self) -> list[str]:
        requests = [f"{r.method} {r.path}?{r.query}" for r in self.sandbox.requests]
        self.sandbox.requests.clear()
        return requests

    def deals(self) -> dict[str, Row[*tuple[Any, ...]]]:
        with reading(self.app.engine) as snapshot:
            rows = snapshot.execute(select(schema.deal)).all()
        return {row.deal_id: row for row in rows}

    def living(self) -> dict[str, Row[*tuple[Any, ...]]]:
        return {key: row for key, row in self.deals().items() if row.removed_at is None}

    def history(self, deal_id: str, field: str) -> list[str | None]:
        change = schema.deal_change
        query = (
            select(change.c.new)
            .where(change.c.deal_id == deal_id, change.c.field == field)
            .order_by(change.c.changed_at, change.c.ordinal)
        )
        with reading(self.app.engine) as snapshot:
            return list(snapshot.execute(query).scalars())


Build = Callable[..., House]


@pytest.fixture
def house_of(tmp_path: Path, database_url: str, clock: FakeClock) -> Iterator[Build]:
    """A house whose CRM has these deals; nothing is pulled yet. `extra`: of its configuration;
    `connection`: of the connection's."""
    with ExitStack() as stack:

        def build(
            deals: Iterable[CompanyDeal],
            extra: dict[str, object] | None = None,
            connection: dict[str, object] | None = None,
            **behaviour: Any,
        ) -> House:
            switches = Behaviour(**{"rate_limit": None, **behaviour})
            sandbox = stack.enter_context(serve(company(deals), clock=clock, behaviour=switches))
            installation = Installation(
                tmp_path,
                sandbox.url,
                sandbox.token,
                database_url,
                extra=extra or {},
                connection=connection or {},
            )
            app = stack.enter_context(installation.write().app(clock))
            return House(sandbox, installation, app, clock)

        yield build
