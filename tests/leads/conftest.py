"""A house whose simulated HubSpot has contacts, on both databases."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sync.bootstrap import App
from sync.jobs import chain
from sync.jobs.runner import Job, JobResult, run_job
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.sandbox.company import CompanyContact, Event
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.crm.conftest import company, deal
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

BEGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def after(days: float) -> datetime:
    return BEGIN + timedelta(days=days)


def contact(key: str, *moves: tuple[float, str, str], source: str = "REFERRALS") -> CompanyContact:
    """`moves`: days after BEGIN, field, value; the first of them is its creation."""
    events = [Event(after(day), field, value) for day, field, value in moves]
    created = events[0].at if events else BEGIN
    given = [Event(created, "source", source), Event(created, "owner", "101")]
    return CompanyContact(
        key,
        created,
        f"Sigrid{key}",
        f"Solberg{key}",
        f"sigrid{key}.solberg@hemmelig.example",
        sorted([*given, *events], key=lambda event: event.at),
    )


class House:
    """The real house before a simulated HubSpot. `sent`: requests since the last time."""

    def __init__(
        self,
        stack: ExitStack,
        sandbox: Sandbox,
        installation: Installation,
        app: App,
        clock: FakeClock,
    ) -> None:
        self.stack = stack
        self.sandbox = sandbox
        self.contacts = sandbox.crm.contacts
        self.installation = installation
        self.app = app
        self.clock = clock
        (self.settings,) = app.config.connections
        self.ctx = app.context(self.settings)

    def result(self, job: Job) -> JobResult:
        return run_job(job, self.ctx)

    def run(self, *jobs: Job) -> dict[str, int]:
        """The last job's counts; each has to succeed."""
        counts: dict[str, int] = {}
        for job in jobs:
            result = self.result(job)
            if result.error is not None:
                raise result.error
            counts = result.counts
        return counts

    def sent(self) -> list[str]:
        requests = [f"{r.method} {r.path}" for r in self.sandbox.requests]
        self.sandbox.requests.clear()
        return requests

    def leads(self) -> dict[str, Any]:
        with reading(self.app.engine) as snapshot:
            return {row.lead_id: row for row in snapshot.execute(select(schema.lead))}

    def history(self, key: str, field: str) -> list[tuple[datetime, str | None]]:
        change = schema.lead_change
        query = (
            select(change.c.changed_at, change.c.value)
            .where(change.c.lead_id == self.contacts.ids[key], change.c.field == field)
            .order_by(change.c.changed_at, change.c.ordinal)
        )
        with reading(self.app.engine) as snapshot:
            return [(row.changed_at, row.value) for row in snapshot.execute(query)]

    def reopened(self, **extra: Any) -> "House":
        """The same mirror under another configuration."""
        installation = replace(self.installation, extra=extra).write()
        app = self.stack.enter_context(installation.app(self.clock))
        return House(self.stack, self.sandbox, installation, app, self.clock)


Build = Callable[..., House]
LEADS = (chain.PULL, chain.LEADS)
FUNNEL = (*LEADS, chain.FUNNEL)


@pytest.fixture
def house_of(tmp_path: Path, database_url: str, clock: FakeClock) -> Iterator[Build]:
    """A house whose CRM has these contacts and one deal; nothing is pulled yet."""
    with ExitStack() as stack:

        def build(
            contacts: Iterable[CompanyContact], *, enabled: bool = True, **behaviour: Any
        ) -> House:
            switches = Behaviour(**{"rate_limit": None, **behaviour})
            known = company([deal("a")])
            known.contacts = list(contacts)
            sandbox = stack.enter_context(serve(known, clock=clock, behaviour=switches))
            installation = Installation(
                tmp_path,
                sandbox.url,
                sandbox.token,
                database_url,
                connection={"leads": {"enabled": enabled}},
            )
            app = stack.enter_context(installation.write().app(clock))
            return House(stack, sandbox, installation, app, clock)

        yield build
