"""Follow-ups as activities: one open for each deal and rule, known by the mark in its note."""

from collections.abc import Collection
from html import escape
from typing import Any, Final

from sync.crm.base import FollowUp
from sync.crm.calls import AmbiguousError
from sync.crm.pipedrive import paths, values
from sync.crm.pipedrive.activities import MARK, mark
from sync.crm.pipedrive.answers import Json, Refused
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.listing import every
from sync.crm.pipedrive.reader import Reader
from sync.crm.pipedrive.state import State

_PART: Final = "follow_ups"
_TYPE: Final = "task"
_BAD_REQUEST: Final = 400
_GONE: Final = (404, 410)


class PipedriveFollowUps:
    """Remembers the activity of each deal and rule in `state`, so that closing costs no search."""

    def __init__(self, client: PipedriveClient, reader: Reader, state: State) -> None:
        self._client = client
        self._reader = reader
        self._state = state

    def open(self, follow_up: FollowUp) -> bool:
        key = f"{follow_up.deal_id}:{follow_up.rule}"
        if key in self._state.load(_PART):
            return False
        found = self._look_for(follow_up)
        if found is not None:
            self._keep(key, found)
            return False
        try:
            made = self._create(follow_up)
        except AmbiguousError:
            found = self._look_for(follow_up)
            if found is None:
                raise
            made = found
        self._keep(key, made)
        return True

    def close_others(self, standing: Collection[tuple[str, str]]) -> int:
        keys = {f"{deal_id}:{rule}" for deal_id, rule in standing}
        closed = 0
        for key, activity_id in self._state.load(_PART).items():
            if key in keys:
                continue
            closed += self._close(activity_id)
            left = dict(self._state.load(_PART))
            left.pop(key, None)
            self._state.save(_PART, left)
        return closed

    def _keep(self, key: str, activity_id: str) -> None:
        self._state.save(_PART, {**self._state.load(_PART), key: activity_id})

    def _look_for(self, follow_up: FollowUp) -> str | None:
        """An open one that this process knows nothing of: made before, its answer lost."""
        query = {"deal_id": follow_up.deal_id, "done": "false"}
        what = f"the planned activities of deal {follow_up.deal_id}"
        for record in every(self._client, paths.ACTIVITIES, query, what=what):
            marked = MARK.search(values.text(record.get("note")) or "")
            if marked and marked.group(1) == follow_up.rule and not record.get("done"):
                return str(record["id"])
        return None

    def _create(self, follow_up: FollowUp) -> str:
        """For the deal's owner, due today. Accounts delete types and users leave: without either
        Pipedrive takes its defaults."""
        deal: Json = self._client.get(
            paths.deal(follow_up.deal_id), what=f"deal {follow_up.deal_id}"
        )["data"]
        today = self._reader.clock.now().astimezone(self._reader.zone()).date()
        lines = "".join(f"<p>{escape(line)}</p>" for line in follow_up.lines)
        body: dict[str, Any] = {
            "subject": follow_up.subject,
            "deal_id": int(follow_up.deal_id),
            "due_date": today.isoformat(),
            "note": f"{lines}<p>{mark(follow_up.rule)}</p>",
            "done": False,
        }
        chosen = {"owner_id": deal.get("owner_id"), "type": _TYPE}
        what = f"a follow-up for deal {follow_up.deal_id}"
        try:
            made = self._client.post(paths.ACTIVITIES, {**body, **chosen}, what=what)
        except Refused as refusal:
            if refusal.status != _BAD_REQUEST:
                raise
            made = self._client.post(paths.ACTIVITIES, body, what=what)
        return str(made["data"]["id"])

    def _close(self, activity_id: str) -> bool:
        """False where somebody has done or deleted it already, or the deal is gone."""
        what = f"follow-up {activity_id}"
        try:
            found = self._client.get(paths.activity(activity_id), what=what)["data"]
            if found.get("done"):
                return False
            self._client.patch(paths.activity(activity_id), {"done": True}, what=what)
        except Refused as refusal:
            if refusal.status not in (*_GONE, _BAD_REQUEST):
                raise
            return False
        return True
