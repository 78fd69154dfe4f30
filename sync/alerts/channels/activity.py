"""Alerts as tasks in the CRM: one open task for each deal and rule, closed when put right."""

from collections.abc import Collection
from typing import Final

from sync.alerts.digest import Message, Task
from sync.crm.base import FollowUp, FollowUps
from sync.errors import PermanentError, RecordsRejected

_SUBJECT_CHARS: Final = 120


class ActivityChannel:
    """Makes a task for each alert, in the CRM that the alerts are about."""

    def __init__(self, name: str, follow_ups: FollowUps) -> None:
        self.name = name
        self._follow_ups = follow_ups

    def deliver(self, message: Message) -> None:
        """One deal that the CRM refuses does not keep the others from being told.

        Raises RecordsRejected for those.
        """
        refused: list[str] = []
        for task in message.tasks:
            try:
                self._follow_ups.open(_follow_up(task))
            except PermanentError as error:
                refused.append(f"the task on deal {task.deal_id} ({error})")
        if refused:
            remedy = "Correct what it names, then `dealpulse alerts send --retry-failed`."
            raise RecordsRejected(self.name, refused, remedy)

    def close_others(self, standing: Collection[tuple[str, str]]) -> int:
        return self._follow_ups.close_others(standing)


def _follow_up(task: Task) -> FollowUp:
    subject = task.why
    if len(subject) > _SUBJECT_CHARS:
        subject = f"{subject[: _SUBJECT_CHARS - 1]}…"
    return FollowUp(task.deal_id, task.rule, subject, (task.why, task.step))
