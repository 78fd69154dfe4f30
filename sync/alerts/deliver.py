"""Telling people: each waiting digest is claimed, composed and handed to its channel, at most once.

An alert may go untold where a process dies in the middle of sending (`uncertain`); it never goes
out twice by itself. A warning that repeats is one that nobody reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine

from forecasting.wording import Language
from sync.alerts import store
from sync.alerts.channels.base import Channel, DeliveryUncertain
from sync.alerts.digest import Message
from sync.alerts.inputs import Rates, Waiting, waiting
from sync.alerts.message import Sentence, Telling, compose
from sync.alerts.store import DeliveryState
from sync.clock import Clock
from sync.errors import DealpulseError, PermanentError, RecordsRejected, TransientError

LEASE = timedelta(minutes=15)
"""A claim older than this belongs to a dead process; far longer than any channel's time-outs."""

GIVE_UP_AFTER = 3
"""A channel that fails so often in a row for a passing reason is left for the next run."""


@dataclass(slots=True)
class DeliveryReport:
    """Deliveries (one alert on one channel) by how they ended, and the digests they went in.

    put_back: to be tried again, or given up after too many tries. expired: found half sent by a
    process that died. errors: what to tell the operator, one for each digest that failed; refused:
    tasks that the CRM did not take, while it took others of their digest.
    """

    digests: int = 0
    sent: int = 0
    put_back: int = 0
    failed: int = 0
    uncertain: int = 0
    withdrawn: int = 0
    expired: int = 0
    errors: list[DealpulseError] = field(default_factory=list)
    refused: list[RecordsRejected] = field(default_factory=list)

    def add(self, alerts: int, error: DealpulseError | None) -> None:
        match _end(error):
            case DeliveryState.SENT:
                self.digests += 1
                self.sent += alerts
            case DeliveryState.PENDING:
                self.put_back += alerts
            case DeliveryState.UNCERTAIN:
                self.uncertain += alerts
            case _:
                self.failed += alerts
        if isinstance(error, RecordsRejected):
            self.refused.append(error)
        elif error is not None:
            self.errors.append(error)


def deliver(
    engine: Engine,
    connection: str,
    channels: Sequence[Channel],
    *,
    clock: Clock,
    claimed_by: str,
    language: Language,
    sentence: Sentence,
    rates: Rates | None = None,
    lease: timedelta = LEASE,
    only_retries: bool = False,
    with_leads: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> DeliveryReport:
    """Send what waits, one digest per owner and channel, and one of the account.

    claimed_by: this process, different from every other. sentence: a finding in words. rates: for
    deals whose CRM gives no converted amount. only_retries: nothing that was not tried before, for
    the runs between two digests. with_leads: alerts on leads too. Failing channels are in the
    report; they raise nothing.
    """
    report = DeliveryReport(
        expired=store.expire_claims(engine, connection, before=clock.now() - lease),
        withdrawn=store.withdraw_resolved(engine, connection),
    )
    teller = _Teller(engine, connection, clock, claimed_by, language, sentence)
    for channel in channels:
        failures = 0
        for digest in waiting(
            engine,
            connection,
            channel.name,
            rates=rates,
            only_retries=only_retries,
            with_leads=with_leads,
        ):
            if should_stop():
                return report
            error = teller.tell(channel, digest, report)
            failures = failures + 1 if isinstance(error, TransientError) else 0
            if failures >= GIVE_UP_AFTER or getattr(error, "retry_after", None):
                break
    return report


@dataclass(frozen=True, slots=True)
class _Teller:
    engine: Engine
    connection: str
    clock: Clock
    claimed_by: str
    language: Language
    sentence: Sentence

    def tell(
        self, channel: Channel, digest: Waiting, report: DeliveryReport
    ) -> DealpulseError | None:
        """One digest; the error it ended with, None where it was sent or another process has it."""
        message = self._compose(digest, digest.alerts)  # what cannot be told is not claimed
        claimed = store.claim(
            self.engine,
            channel.name,
            message.alert_ids,
            claimed_by=self.claimed_by,
            at=self.clock.now(),
        )
        if not claimed:
            return None
        if len(claimed) < len(message.alert_ids):
            ours = [alert for alert in digest.alerts if alert.alert_id in claimed]
            message = self._compose(digest, ours)
        error = _hand_over(channel, message)
        store.finish(
            self.engine,
            channel.name,
            message.alert_ids,
            claimed_by=self.claimed_by,
            state=_end(error),
            at=self.clock.now(),
            error=None if error is None else str(error),
        )
        report.add(len(message.alert_ids), error)
        return error

    def _compose(self, digest: Waiting, alerts: Sequence[Telling]) -> Message:
        return compose(
            alerts,
            digest.owner,
            connection=self.connection,
            language=self.language,
            sentence=self.sentence,
            at=self.clock.now(),
        )


def _hand_over(channel: Channel, message: Message) -> DealpulseError | None:
    try:
        channel.deliver(message)
    except (TransientError, PermanentError, RecordsRejected, DeliveryUncertain) as error:
        return error
    return None


def _end(error: DealpulseError | None) -> DeliveryState:
    match error:
        case None:
            return DeliveryState.SENT
        case TransientError():
            return DeliveryState.PENDING
        case DeliveryUncertain():
            return DeliveryState.UNCERTAIN
        case _:
            return DeliveryState.FAILED
