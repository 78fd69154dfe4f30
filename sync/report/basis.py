"""What figures rest on: definition, as-of, cut-off, sample and what was left out, in one shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine

from sync.errors import ConfigError
from sync.mirror import process_results
from sync.mirror.process_results import Measured
from sync.report.naming import local_time

_LEFT_OUT: Final = {
    "closed_without_a_day": "{} closed deals without a closing day are in no figure",
    "closed_before_created": "{} deals closed before they were created have no cycle length",
    "no_amount": "{} deals without an amount are in no average value and no size class",
    "no_rate": "{} deals in a currency without an exchange rate are in no amount: "
    "set exchange_rates",
    "history_unread": "{} deals whose way through the stages is not read from its beginning are in "
    "no stage figure; where they are more than a few, stage figures lean to deals that never moved "
    "and no stage or trait is judged",
    "no_stage_history": "{} deals without stage history are in no stage figure",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """`left_out`: reason -> deals; `sample`: how many deals there are at all."""

    connection: str
    as_of: datetime
    zone: str
    currency: str
    window_start: str
    window_end: str
    sample: int
    left_out: Mapping[str, int]
    size_bounds: list[float] = field(default_factory=list)

    def facts(self, definition: str) -> dict[str, object]:
        """What every JSON report carries beside its rows."""
        return {
            "connection": self.connection,
            "definition": definition,
            "as_of": self.as_of,
            "cut_off": self.as_of,
            "window_start": self.window_start,
            "window_end": self.window_end,
            "currency": self.currency,
            "sample": self.sample,
            "left_out": dict(self.left_out),
        }

    def notes(self, definition: str, *, seen: str | None = None) -> list[str]:
        """The same as sentences under a table. `seen`: over what time, where not the window."""
        over = seen or f"from {self.window_start} to {self.window_end}"
        told = [
            f"As of {local_time(self.as_of, self.zone)}: {definition}",
            f"From what was seen {over}; the mirror holds {self.sample} deals.",
        ]
        reasons = [_LEFT_OUT[reason].format(count) for reason, count in self.left_out.items()]
        return [*told, *(f"Left out: {reason}." for reason in reasons)]


def measured(engine: Engine, connection: str) -> tuple[Measured, Basis]:
    """The last run's rows and what they rest on. Raises ConfigError where there is none."""
    found = process_results.latest(engine, connection)
    if found is None:
        raise ConfigError(f"Nothing is measured for {connection} yet: run `dealpulse sync` first.")
    (told,) = found.of("basis")
    basis = Basis(
        connection=connection,
        as_of=found.as_of,
        zone=told["zone"],
        currency=told["currency"],
        window_start=told["window_start"],
        window_end=told["window_end"],
        sample=told["deals"],
        left_out=told["left_out"],
        size_bounds=told["size_bounds"],
    )
    return found, basis


def picked(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Some of a row's figures; None where it has none."""
    return {name: row.get(name) for name in names}
