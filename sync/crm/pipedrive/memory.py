"""What one process keeps of an account between its pulls, so that it asks Pipedrive less often."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from sync.crm.base import Owner, Pipeline
from sync.crm.pipedrive.activities import Activities
from sync.crm.pipedrive.mapping import OwnField

LASTS: Final = timedelta(hours=1)
"""How long a renamed stage, a new user or a field that somebody deleted may go unseen."""

T = TypeVar("T")


class Kept(Generic[T]):
    """The last answer to one question, while it is fresh enough."""

    def __init__(self) -> None:
        self._answer: tuple[datetime, T] | None = None

    def get(self, now: datetime, ask: Callable[[], T]) -> T:
        if self._answer is None or not timedelta() <= now - self._answer[0] < LASTS:
            self._answer = now, ask()
        return self._answer[1]

    @property
    def last(self) -> T | None:
        """However old; None where there is none."""
        return None if self._answer is None else self._answer[1]

    def put(self, now: datetime, answer: T) -> None:
        self._answer = now, answer

    def forget(self) -> None:
        """The next `get` asks."""
        self._answer = None


@dataclass(frozen=True, slots=True)
class Pipelines:
    """own_probability: the pipelines in which people may give a deal a probability of its own."""

    found: Sequence[Pipeline]
    own_probability: frozenset[str]

    def stages(self) -> frozenset[str]:
        return frozenset(s.stage_id for pipeline in self.found for s in pipeline.stages)


@dataclass(slots=True)
class Memory:
    """One for each connection, for as long as the process lives."""

    activities: Activities = field(default_factory=Activities)
    pipelines: Kept[Pipelines] = field(default_factory=Kept)
    owners: Kept[Sequence[Owner]] = field(default_factory=Kept)
    own: Kept[Mapping[str, OwnField]] = field(default_factory=Kept)
    lead_labels: Kept[Mapping[str, str]] = field(default_factory=Kept)
    strange_labels: set[str] = field(default_factory=set)
    _met: set[tuple[str, str]] = field(default_factory=set)

    def meet(self, stages: AbstractSet[str], owners: AbstractSet[str]) -> None:
        """Ids that deals hold. One that is in no list came after the list was read, which then is
        asked for again; only once, since deleted ones are in no list ever."""
        pipelines, users = self.pipelines.last, self.owners.last
        if pipelines is not None and self._strange("stage", stages - pipelines.stages()):
            self.pipelines.forget()
        if users is not None and self._strange("owner", owners - {user.owner_id for user in users}):
            self.owners.forget()

    def _strange(self, kind: str, ids: AbstractSet[str]) -> bool:
        new = {(kind, each) for each in ids} - self._met
        self._met |= new
        return bool(new)
