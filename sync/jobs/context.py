"""What a job is given: its connection, the mirror, the clock, and what was configured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from sqlalchemy import Engine

from sync.alerts.channels.base import Channel
from sync.clock import Clock
from sync.config.model import Config, Connection
from sync.config.rates import rates_for
from sync.crm.base import CrmSink, CrmSource
from sync.crm.goals import GoalSource
from sync.crm.leads import LeadSink, LeadSource
from sync.errors import DealpulseError, RecordsRejected
from sync.mirror import read

Counts = dict[str, int]
"""What a job did, by name; stored with its run and shown in its log line."""


class Progress(Protocol):
    """Told by a long job how far it is; shown as a bar, or not at all."""

    def step(self, what: str, done: int, total: int | None) -> None:
        """`done` of `total` (None = not known) units of `what` so far."""

    def paced_by(self, used: Callable[[], float]) -> None:
        """From now on calls go to a CRM; `used`: the share of its rate limit (0-1) that we use."""


class Silent:
    """Shows nothing."""

    def step(self, what: str, done: int, total: int | None) -> None:
        return

    def paced_by(self, used: Callable[[], float]) -> None:
        return


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class JobContext:
    """One connection's surroundings. `should_stop` is asked between pages and batches."""

    config: Config
    settings: Connection
    engine: Engine
    clock: Clock
    source: CrmSource
    sink: CrmSink
    channels: Sequence[Channel]
    requests: Callable[[], int]
    holder: str
    progress: Progress = field(default_factory=Silent)
    should_stop: Callable[[], bool] = _never
    allow_mass_change: bool = False
    allow_mass_alert: bool = False
    lead_source: LeadSource | None = None
    """None where leads are not read: not switched on, or not offered by the CRM."""
    lead_sink: LeadSink | None = None
    """None where leads are not read, or the CRM has no place for a score."""
    goal_source: GoalSource | None = None
    """None where the CRM has no goals."""
    notes: list[str] = field(default_factory=list)
    """What the running job left out and why, one sentence each."""
    refused: list[RecordsRejected] = field(default_factory=list)
    """Records that the running job could not bring through, while the others went on."""
    asked_at: dict[str, datetime] = field(default_factory=dict)
    """When this process last asked the CRM for what seldom changes, by what it is."""

    @property
    def connection(self) -> str:
        return self.settings.name

    def tell_refused(self, records: Sequence[str], remedy: str) -> None:
        """See `RecordsRejected`; nothing where there are none."""
        if records:
            self.refused.append(RecordsRejected(self.connection, records, remedy))

    @property
    def rates(self) -> Mapping[str, Decimal]:
        """The configured exchange rates into this connection's home currency, as last pulled."""
        account = read.account(self.engine, self.connection)
        return rates_for(self.config, account.home_currency if account else None)


class Stopped(Exception):
    """The process was asked to stop; what is committed so far is whole and will be resumed."""


class Partly(Exception):
    """A job did part of its work: what it did is kept with the error that ended it."""

    def __init__(self, counts: Counts, error: DealpulseError) -> None:
        super().__init__(str(error))
        self.counts = counts
        self.error = error
