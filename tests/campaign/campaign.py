"""One campaign: everything in it follows from its seed."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from sync.bootstrap import App
from sync.crm.base import DealPage
from sync.errors import DealpulseError
from sync.jobs import chain
from sync.jobs.context import JobContext
from sync.jobs.runner import Job, JobResult, run_job
from sync.mirror import job_runs
from sync.sandbox.faults import COMMON, HUBSPOT_ONLY
from sync.sandbox.generator import generate
from sync.sandbox.server import Behaviour, Sandbox, serve
from tests.campaign import truth
from tests.campaign.desk import Desk, Ledger
from tests.campaign.hands import Hands
from tests.campaign.mortal import Killed, mortal, raise_killed
from tests.campaign.unseen import come_late, unseen_by_pulls
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

REPOSITORY = Path(__file__).parents[2]
KINDS = COMMON + HUBSPOT_ONLY
PATHS = (
    "",
    "/search",
    "/batch/read",
    "/batch/update",
    "/deals",
    "/0-3",
    "/owners",
    "/pipelines",
    "/associations",
    "/properties",
    "/currencies",
)
WAITING = ("slow", "hang_before", "hang_after_commit")
"""Faults that take real time."""

TELLING = [chain.ASSESS, chain.WRITE_BACK, chain.RAISE_ALERTS, chain.DELIVER_ALERTS]
SIGKILL_EVERY = 10
"""Of so many seeds one has its process killed by the system; the others die by an exception that
nothing catches, at the same places and much faster."""


@dataclass
class Outcome:
    """`wrong`: empty where all is as it has to be. `log`: what happened, to understand a seed."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    kills: int = 0
    faults: set[str] = field(default_factory=set)
    writes: int = 0
    alerts: int = 0


def run(seed: int, home: Path, database_url: str) -> Outcome:
    """`home`: an empty folder. `database_url`: of an empty mirror, its tables made."""
    dice = Random(seed)
    clock = FakeClock()
    made = generate(seed=seed, until=clock.now(), years=1, deals=dice.randrange(5, 90))
    with ExitStack() as stack:
        sandbox = stack.enter_context(serve(made, clock=clock, behaviour=_behaviour(dice)))
        extra = dice.choice([[], ["*"], ["made_*"]])
        connection = {"extra_properties": extra, "request_timeout_s": 5}
        installation = Installation(
            home, sandbox.url, sandbox.token, database_url, connection=connection
        )
        with installation.write().app(clock) as app:
            return _Campaign(seed, dice, sandbox, installation, app, clock).run()


def _behaviour(dice: Random) -> Behaviour:
    """The conduct on which the sources disagree, in every combination."""
    choices: dict[str, Sequence[Any]] = {
        "rate_limit": (None, None, 100),
        "retry_after_on_429": (False, True),
        "index_lag_s": (0.0, 20.0, 60.0),
        "search_results": (10_000, 200),
        "search_hits": ("stored", "indexed"),
        "list_after": ("id", "id", "opaque"),
        "batch_errors": ("partial", "atomic"),
        "merged_in_batch_update": ("omitted", "missing"),
        "merged_in_batch_read": ("survivor", "missing", "omitted"),
        "merge_makes_new_record": (True, True, False),
        "unassociated": ("left_out", "error"),
        "lists_stage_properties": (True, False),
        "forecast_probability": ("fraction", "percent"),
        "history_order": ("newest_first", "shuffled"),
    }
    return Behaviour(**{name: dice.choice(values) for name, values in choices.items()})


class _Campaign:
    def __init__(
        self,
        seed: int,
        dice: Random,
        sandbox: Sandbox,
        installation: Installation,
        app: App,
        clock: FakeClock,
    ) -> None:
        self.dice = dice
        self.sandbox = sandbox
        self.installation = installation
        self.app = app
        self.clock = clock
        self.hands = Hands(sandbox.crm, clock, dice)
        self.desk = Desk(installation.home / "desk.txt", dice)
        self.ledger = Ledger(sandbox.crm)
        self.ledger.attach()
        self.outcome = Outcome(seed)
        self.at_work = False
        self.context = self._process()
        cycles = dice.randint(3, 5)
        self.cycles = cycles
        self.killed_by_system = dice.randrange(cycles) if seed % SIGKILL_EVERY == 3 else None

    def run(self) -> Outcome:
        for cycle in range(self.cycles):
            self.hands.work(self.dice.randrange(12))
            self._cycle(cycle)
            self.clock.advance(minutes=self.dice.randint(1, 60))
        self._settle()
        self.outcome.log = sorted([*self.hands.done, *self.outcome.log])
        self.outcome.wrong += self.ledger.twice + self.desk.twice()
        self.outcome.writes, self.outcome.alerts = self.ledger.writes, len(self.desk.arrived())
        return self.outcome

    def _process(self) -> JobContext:
        (settings,) = self.app.config.connections
        context = self.app.context(settings, allow_mass_change=True, allow_mass_alert=True)
        return replace(context, channels=[self.desk])

    def _cycle(self, cycle: int) -> None:
        jobs = [chain.PULL]
        if self.dice.random() < 0.5:
            jobs += TELLING
        if self.dice.random() < 0.3:
            jobs.append(chain.SWEEP)
        if self.dice.random() < 0.3:
            self.context = self._process()
        troubled = self._trouble()
        for _ in range(self.dice.randrange(3)):  # people work on while it runs
            self.sandbox.meanwhile(self.dice.choice(PATHS), self._work_meanwhile)
        self.at_work = True
        steps = self.dice.randint(1, 2 ** self.dice.randint(3, 9))
        if cycle == self.killed_by_system:
            self._die_for_real(jobs, steps)
        else:
            self._live(jobs, steps if self.dice.random() < 0.4 else None, troubled=troubled)
        self.sandbox.faults.clear()
        self.at_work = False

    def _work_meanwhile(self) -> None:
        if self.at_work:  # what waited for a request that never came, waits no longer
            self.hands.work(self.dice.randint(1, 3))

    def _trouble(self) -> bool:
        """Whether any fault was set. Each kind comes first in one of so many seeds."""
        if self.dice.random() < 0.3:
            return False
        first = KINDS[self.outcome.seed % len(KINDS)]
        for kind in (first, *self.dice.sample(KINDS, self.dice.randrange(3))):
            times = self.dice.choice([1, 1, 2, 5] if kind in WAITING else [1, 1, 2, 5, -1])
            path = self.dice.choice(PATHS)
            after = self.dice.randrange(6)
            self.sandbox.faults.add(kind, times, path, after=after, seconds=0.02)
            self.outcome.faults.add(kind)
            self._log(f"fault {kind} x{times} at {path or 'anything'} after {after}")
        return True

    def _live(self, jobs: Sequence[Job], steps: int | None, *, troubled: bool) -> None:
        try:
            with mortal(self.app.engine, steps, raise_killed):
                for job in jobs:
                    error = self._run(job).error
                    if error is not None:
                        self._judge(job, error, troubled=troubled)
                        return
        except Killed:
            self.outcome.kills += 1
            self._log(f"killed at step {steps}")
            self.context = self._process()
            self.clock.advance(minutes=1)

    def _judge(self, job: Job, error: DealpulseError, *, troubled: bool) -> None:
        closed = job is chain.DELIVER_ALERTS  # the desk says no without a fault of the CRM
        if not troubled and not closed:
            self.outcome.wrong.append(f"{job.name} failed without a fault: {error}")

    def _die_for_real(self, jobs: Sequence[Job], steps: int) -> None:
        self.ledger.run += 1
        now = self.clock.now().isoformat()
        arguments = [str(self.installation.config), now, str(steps), str(self.desk.file)]
        ended = subprocess.run(
            [sys.executable, "-m", "tests.campaign.victim", *arguments, *(j.name for j in jobs)],
            env=self.installation.environ,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        if ended.returncode not in (0, -9):
            self.outcome.wrong.append(f"the process ended with {ended.returncode}: {ended.stderr}")
        self._log(f"process killed at step {steps}: {ended.returncode}")
        self.outcome.kills += ended.returncode == -9
        self.context = self._process()
        self.clock.advance(minutes=10)  # more than it may have slept, by its own clock

    def _settle(self) -> None:
        """No more faults; one sweep beside the usual pull, in either order; then all is equal, and
        stays so when an old page comes late, and another round finds nothing to do."""
        self.clock.advance(minutes=30)
        self.context = self._process()
        loaded = job_runs.last_run(self.app.engine, "pull", "portal", status="ok") is not None
        late = self._unseen() if loaded else None
        first, second = chain.PULL, chain.SWEEP
        if loaded and self.dice.random() < 0.5:
            first, second = second, first
        for job in (first, second):
            self._well(job)
        self.outcome.wrong += truth.differences(self.sandbox.crm, self.app.engine)
        self.outcome.wrong += truth.false_beliefs(self.sandbox.crm, self.app.engine)
        if late is not None:
            come_late(self.context, late)
            found = truth.differences(self.sandbox.crm, self.app.engine)
            self.outcome.wrong += [f"after an old page came late, {what}" for what in found]
        self.clock.advance(minutes=30)
        for job in (chain.PULL, chain.SWEEP):
            counts = self._well(job).counts
            done = {what: n for what, n in counts.items() if n and what not in _NO_CHANGE}
            if done:
                self.outcome.wrong.append(f"{job.name} of what is equal did {done}")

    def _unseen(self) -> DealPage | None:
        self._well(chain.PULL)
        self.clock.advance(minutes=1)
        return unseen_by_pulls(self.sandbox.crm, self.dice, self.context)

    def _well(self, job: Job) -> JobResult:
        result = self._run(job)
        if result.error is not None:
            self.outcome.wrong.append(f"{job.name} failed in the end: {result.error}")
        return result

    def _run(self, job: Job) -> JobResult:
        self.ledger.run += 1
        result = run_job(job, self.context)
        done = {what: n for what, n in result.counts.items() if n}
        self._log(f"{job.name} {result.error or done}")
        return result

    def _log(self, text: str) -> None:
        self.outcome.log.append(f"{self.clock.now():%H:%M:%S.%f} {text}")


_NO_CHANGE = ("listed", "left_out", "unparsed", "runs_forgotten", "journal_forgotten")
"""Counts of a job that changes nothing."""
