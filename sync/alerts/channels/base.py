"""What every alert channel offers."""

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from sync.alerts.digest import Message
from sync.errors import DealpulseError


class DeliveryUncertain(DealpulseError):
    """The message was handed over and no answer came: it may have arrived, so it is never sent
    again by itself.
    """

    exit_code = 4


class Channel(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str:
        """Stable between runs; deliveries are recorded under it."""

    def deliver(self, message: Message) -> None:
        """Hand the message over, once.

        Raises TransientError where it surely did not arrive and may later, PermanentError where it
        never will, RecordsRejected where a part of it never will, DeliveryUncertain where nobody
        knows. No error shows an address that is secret.
        """


@runtime_checkable
class Closing(Protocol):
    """A channel whose messages can be taken back when what they are about was put right."""

    def close_others(self, standing: Collection[tuple[str, str]]) -> int:
        """Take back what was told of a (deal, rule) that is not `standing`; how many."""
