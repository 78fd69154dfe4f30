"""When somebody last did something with a deal, and what is planned next.

A deal names its last and its next activity; what they are is looked up, a hundred at a time, and
remembered as long as the process lives. Our own follow-ups do not count.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from sync.crm.doubts import Doubts
from sync.crm.pipedrive import paths, values
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.listing import MAX_IDS, chunks, every, pages, records
from sync.crm.pipedrive.mapping import ActivityDates
from sync.errors import AuthError

MARK: Final = re.compile(r"\[dealpulse:(\w+)\]")
"""In the note of each activity that we made; the rule it is for."""

REMEMBERED: Final = 200_000


def mark(rule: str) -> str:
    """What `MARK` finds again."""
    return f"[dealpulse:{rule}]"


@dataclass(frozen=True, slots=True)
class Activity:
    """at: when it was done, or is due; None where that could not be understood."""

    deal_id: str | None
    done: bool
    at: datetime | None
    ours: bool


class Activities:
    """Shared by all pulls of one process; `left_out` says what could not be read."""

    def __init__(self) -> None:
        self._known: dict[str, Activity] = {}
        self.left_out: tuple[str, ...] = ()

    def touched(self, client: PipedriveClient, since: datetime, zone: ZoneInfo) -> list[str]:
        """The deals with an activity made or changed since then."""
        query = {"updated_since": values.iso(since), "sort_by": "id", "sort_direction": "asc"}
        found: dict[str, None] = {}
        try:
            for page, _ in pages(client, paths.ACTIVITIES, query, what="the changed activities"):
                for activity in self._learn(page, zone):
                    if activity.deal_id is not None and not activity.ours:
                        found[activity.deal_id] = None
        except AuthError as error:
            self._give_up(error)
        else:
            self.left_out = ()
        return list(found)

    def dates(
        self, client: PipedriveClient, deals: Sequence[Json], zone: ZoneInfo
    ) -> dict[str, ActivityDates]:
        """By deal id, for the open ones of `deals`."""
        named = {str(deal["id"]): _named(deal) for deal in deals if deal.get("status") == "open"}
        try:
            self._look_up(client, {i for ids in named.values() for i in ids if i}, zone)
            return {
                deal_id: self._dates_of(client, deal_id, ids, zone)
                for deal_id, ids in named.items()
                if any(ids)
            }
        except AuthError as error:
            self._give_up(error)
            return {}

    def cost(self, deals: Iterable[Json]) -> int:
        """Tokens at most that `dates` would take."""
        ids = {i for deal in deals for i in _named(deal) if i and i not in self._known}
        return -(-len(ids) // MAX_IDS) * paths.cost("GET", paths.ACTIVITIES)

    def _look_up(self, client: PipedriveClient, ids: set[str], zone: ZoneInfo) -> None:
        for some in chunks(sorted(ids - self._known.keys(), key=int), MAX_IDS):
            query = {"ids": ",".join(some), "limit": str(MAX_IDS)}
            self._learn(
                records(client.get(paths.ACTIVITIES, query, what=f"{len(some)} activities")), zone
            )

    def _dates_of(
        self,
        client: PipedriveClient,
        deal_id: str,
        ids: tuple[str | None, str | None],
        zone: ZoneInfo,
    ) -> ActivityDates:
        last, planned = (self._known.get(i) if i else None for i in ids)
        if not any(activity is not None and activity.ours for activity in (last, planned)):
            return ActivityDates(last.at if last else None, planned.at if planned else None)
        # behind our own one may stand a person's, which only the deal's whole list shows
        listed = every(
            client, paths.ACTIVITIES, {"deal_id": deal_id}, what=f"the activities of deal {deal_id}"
        )
        theirs = [a for a in self._learn(listed, zone) if not a.ours and a.at is not None]
        return ActivityDates(
            max((a.at for a in theirs if a.done and a.at), default=None),
            min((a.at for a in theirs if not a.done and a.at), default=None),
        )

    def _learn(self, page: Iterable[Json], zone: ZoneInfo) -> list[Activity]:
        if len(self._known) > REMEMBERED:
            self._known.clear()
        found = {str(record["id"]): activity(record, zone) for record in page}
        self._known |= found
        return list(found.values())

    def _give_up(self, error: AuthError) -> None:
        if not error.missing_scopes:
            raise error
        self.left_out = (f"activities: {error}",)


def activity(record: Mapping[str, Any], zone: ZoneInfo) -> Activity:
    done = bool(record.get("done"))
    doubts = Doubts("")
    marked = doubts.parse("done", values.instant, record.get("marked_as_done_time"))
    at = marked if done and marked is not None else _due(record, zone, doubts)
    if done and at is None:
        at = doubts.parse("update", values.instant, record.get("update_time"))
    return Activity(
        deal_id=values.identity(record.get("deal_id")),
        done=done,
        at=at,
        ours=MARK.search(values.text(record.get("note")) or "") is not None,
    )


def _due(record: Mapping[str, Any], zone: ZoneInfo, doubts: Doubts) -> datetime | None:
    """A due time is in UTC; without one the day's noon stands for the day."""
    day = doubts.parse("due", values.day, record.get("due_date"))
    if day is None:
        return None
    at = doubts.parse("due", _time, record.get("due_time"))
    if at is None:
        return values.noon(day, zone)
    return datetime.combine(day, at, UTC)


def _time(raw: Any) -> time | None:
    value = values.text(raw)
    return None if value is None else time.fromisoformat(value.strip())


def _named(deal: Json) -> tuple[str | None, str | None]:
    """The ids of its last and its next activity."""
    return values.identity(deal.get("last_activity_id")), values.identity(
        deal.get("next_activity_id")
    )
