"""Stage history from the changelog, for the most valuable deals first, within the tokens left."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sync.crm.base import Change, DealPage, KnownStates, Unparsed
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import history, paths
from sync.crm.pipedrive.answers import Json, Refused
from sync.crm.pipedrive.ledger import Purpose
from sync.crm.pipedrive.listing import LIMIT, following, records
from sync.crm.pipedrive.position import Position
from sync.crm.pipedrive.reader import Reader
from sync.errors import AuthError

PER_PAGE: Final = 20
"""Deals whose history is committed together."""

ASK_AGAIN: Final = timedelta(days=1)
"""After the permission for changelogs was found missing."""

_NOT_FOUND: Final = (403, 404, 410)


class Backfill:
    """left_out: why no changelog can be read, where that is so."""

    def __init__(self, reader: Reader, known: KnownStates, per_pull: int) -> None:
        self._reader = reader
        self._known = known
        self._left = per_pull
        self.left_out: tuple[str, ...] = ()

    def run(self, position: Position, now: datetime) -> Iterator[tuple[DealPage, Position]]:
        """Until the backlog is empty or our tokens for this are; the rest comes another day."""
        if position.history_after is not None and now < position.history_after:
            return
        while position.backlog.worth and self._left > 0 and self._affordable(deals=1):
            chosen = position.backlog.first(min(PER_PAGE, self._left))
            self._left -= len(chosen)
            try:
                page, done = self._page(chosen)
            except AuthError as error:
                if not error.missing_scopes:
                    raise
                self.left_out = (f"history of stages: {error}",)
                position = replace(position, history_after=now + ASK_AGAIN)
                yield DealPage(cursor=position.cursor(), left_out=self.left_out), position
                return
            position.backlog.drop(done)
            yield replace(page, cursor=position.cursor()), position
            if len(done) < len(chosen):
                return

    def _affordable(self, *, deals: int) -> bool:
        each = paths.cost("GET", paths.changelog("1"))
        around = paths.cost("GET", paths.DEALS) + 2 * paths.cost("GET", paths.ACTIVITIES)
        return self._reader.client.ledger.room(Purpose.HISTORY) >= around + deals * each

    def _page(self, chosen: list[str]) -> tuple[DealPage, list[str]]:
        """The deals as they are now with their history, and the ids that are done with.

        The deal is read first: what happens to it afterwards the next comparison finds.
        """
        found = {str(record["id"]): record for record in self._reader.by_id(chosen)}
        archived = [i for i in chosen if i not in found]
        if archived:
            listed = self._reader.by_id(archived, path=paths.ARCHIVED)
            found |= {str(r["id"]): r for r in listed if r.get("status") != "open"}
        mapped = self._reader.mapped(list(found.values()), self._known)
        deals = {deal.deal_id: deal for deal in mapped.deals}
        zone = self._reader.surroundings().zone
        done: list[str] = []
        told: list[Change] = []
        unparsed: list[Unparsed] = list(mapped.unparsed)
        whole: set[str] = set()
        for deal_id in chosen:
            if deal_id in deals:
                rows = self._changelog(deal_id)
                if rows is None:
                    break
                doubts = Doubts(deal_id)
                told += history.from_changelog(deals[deal_id], rows, zone, doubts)
                unparsed += doubts.found()
                whole.add(deal_id)
            done.append(deal_id)
        page = DealPage(
            cursor={},
            deals=[deal for deal in mapped.deals if deal.deal_id in whole],
            changes=told,
            unparsed=unparsed,
            whole_history=frozenset(whole),
        )
        return page, done

    def _changelog(self, deal_id: str) -> list[Json] | None:
        """All of it, newest first; None where our tokens end before it does."""
        rows: list[Json] = []
        after: str | None = None
        while True:
            if not self._affordable(deals=1):
                return None
            query = {"limit": str(LIMIT), **({"cursor": after} if after else {})}
            try:
                answer = self._reader.client.get(
                    paths.changelog(deal_id),
                    query,
                    what=f"the changelog of deal {deal_id}",
                    purpose=Purpose.HISTORY,
                )
            except Refused as refusal:
                if refusal.status not in _NOT_FOUND:
                    raise
                return rows
            rows += records(answer)
            after, before = following(answer), after
            if after is None or after == before:
                return rows
