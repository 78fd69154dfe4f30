"""The seven faults that every other client fails at least one of: a whole pull through the real
client over real HTTP, with the outage on a clock of its own.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sync.errors import TransientError
from sync.jobs import chain
from sync.mirror import schema
from sync.sandbox.faults import FaultKind
from sync.sandbox.generator import generate
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock

DEALS = 150
OUTAGE_S = 10.0


class OutageClock(FakeClock):
    """Something happens once so much time has been slept through. Threads sleep beside each other:
    what one of them slept is the time, not the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.happening: tuple[float, Callable[[], object]] | None = None
        self._slept_by: Counter[int] = Counter()
        self._advanced_s = 0.0
        self._one_at_a_time = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._one_at_a_time:
            thread = threading.get_ident()
            self._slept_by[thread] += seconds
            ahead = self._advanced_s + self._slept_by[thread] - self.monotonic()
            if ahead > 0:
                super().advance(seconds=ahead)
            if self.happening is not None and self.monotonic() >= self.happening[0]:
                happening, self.happening = self.happening[1], None
                happening()

    def advance(self, *, days: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        self._advanced_s += timedelta(days=days, minutes=minutes, seconds=seconds).total_seconds()
        super().advance(days=days, minutes=minutes, seconds=seconds)


@pytest.fixture
def clock() -> OutageClock:
    return OutageClock()


def served(clock: FakeClock) -> Sandbox:
    company = generate(seed=5, until=clock.now(), years=1, deals=DEALS)
    return serve(company, clock=clock, behaviour=Behaviour(rate_limit=None))


def installed(sandbox: Sandbox, home: Path) -> Installation:
    url = f"sqlite:///{home / 'mirror.db'}"
    return Installation(home, sandbox.url, sandbox.token, url, write_back=False).write()


@pytest.fixture
def sandbox(clock: OutageClock) -> Iterator[Sandbox]:
    with served(clock) as running:
        yield running


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path) -> Installation:
    return installed(sandbox, tmp_path)


@pytest.fixture(scope="module")
def undisturbed_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """What the same pull sleeps without any fault, for its own pacing."""
    clock = FakeClock()
    home = tmp_path_factory.mktemp("undisturbed")
    with served(clock) as sandbox, installed(sandbox, home).app(clock) as app:
        run_jobs(app, chain.PULL)
    return clock.monotonic()


SEVEN: dict[str, tuple[FaultKind, bool]] = {
    "429 once": ("rate_limited_429", False),
    "429 for 10 s": ("rate_limited_429", True),
    "502 page once": ("html_502", False),
    "502 page for 10 s": ("html_502", True),
    "connection reset": ("reset_after_commit", False),
    "short body": ("short_body", False),
    "200 with cut JSON": ("truncated_json", False),
}


@pytest.mark.parametrize("path", ["deals", "batch/read"])
@pytest.mark.parametrize("fault", SEVEN)
def test_complete_nothing_lost_or_twice_within_one_and_a_half_times_the_outage(
    installation: Installation,
    sandbox: Sandbox,
    clock: OutageClock,
    fault: str,
    path: str,
    undisturbed_s: float,
) -> None:
    kind, lasting = SEVEN[fault]
    sandbox.faults.add(kind, times=-1 if lasting else 1, path_contains=path, after=1)
    begun = clock.monotonic()
    if lasting:
        clock.happening = (begun + OUTAGE_S, sandbox.faults.clear)
    with installation.app(clock) as app:
        run_jobs(app, chain.PULL)
        with app.engine.connect() as connection:
            rows = connection.execute(select(schema.deal.c.deal_id, schema.deal.c.name)).all()
            ordinals = connection.execute(
                select(func.count())
                .select_from(schema.deal_change)
                .where(schema.deal_change.c.field == "stage")
            ).scalar_one()
    assert sandbox.faults.pending() == [], "the fault did strike"
    assert sorted(row.deal_id for row in rows) == sorted(sandbox.crm.deal_ids())
    assert all(row.name == sandbox.crm.deal(row.deal_id)["dealname"] for row in rows)
    stages = sum(len(sandbox.crm.history(i, "dealstage")) for i in sandbox.crm.deal_ids())
    assert ordinals == stages, "history neither lost nor twice"
    outage = OUTAGE_S if lasting else 1.0
    assert clock.monotonic() - begun - undisturbed_s <= 1.5 * outage


@pytest.mark.parametrize("fault", sorted({kind for kind, _ in SEVEN.values()}))
def test_a_fault_that_does_not_end_is_never_reported_as_success(
    installation: Installation, sandbox: Sandbox, clock: OutageClock, fault: FaultKind
) -> None:
    sandbox.faults.add(fault, times=-1, path_contains="deals", after=3)
    with installation.app(clock) as app:
        with pytest.raises(TransientError) as error:
            run_jobs(app, chain.PULL)
        assert error.value.exit_code == 4
        sandbox.faults.clear()
        clock.advance(minutes=30)
        run_jobs(app, chain.PULL)
        with app.engine.connect() as connection:
            ids = connection.execute(select(schema.deal.c.deal_id)).scalars().all()
    assert sorted(ids) == sorted(sandbox.crm.deal_ids())


def test_the_command_ends_with_4_and_the_next_one_brings_everything(
    installation: Installation, sandbox: Sandbox
) -> None:
    installation.connection = {"deadline_s": 1}
    installation.write()
    sandbox.faults.add("truncated_json", times=-1, path_contains="deals", after=2)
    failed = installation.run("sync")
    assert failed.returncode == 4, failed.stderr
    sandbox.faults.clear()
    again = installation.run("sync")
    assert again.returncode == 0, again.stderr
