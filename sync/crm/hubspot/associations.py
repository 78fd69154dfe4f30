"""How many contacts and companies belong to each deal."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from sync.crm.hubspot import mapping
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.limits import ASSOCIATIONS
from sync.crm.hubspot.listing import chunks, next_after, records, refuse_half_answers
from sync.errors import AuthError, PermanentError

KINDS: Final = ("contacts", "companies")
BATCH: Final = 1000

Counts = dict[str, dict[str, int]]


class Associations:
    """Counts of one pull. A kind for which the token has no scope is left out, and named."""

    def __init__(self, client: HubSpotClient) -> None:
        self._client = client
        self._kinds = list(KINDS)
        self.left_out: list[str] = []

    @property
    def asked(self) -> str:
        """The kinds to be listed along with deals, as HubSpot's parameter; may be empty."""
        return ",".join(self._kinds)

    def give_up(self, error: AuthError) -> None:
        """Do without the kinds whose scope is missing; raises `error` where it is about none."""
        missing = [k for k in self._kinds if any(f".{k}." in s for s in error.missing_scopes)]
        if not missing:
            raise error
        for kind in missing:
            self._kinds.remove(kind)
            self.left_out.append(f"{kind} of deals: {error}")

    def listed(self, deals: Sequence[Json]) -> Counts:
        """From deals that were listed with their associations; long ones are read to the end."""
        counts: Counts = {}
        for kind in list(self._kinds):
            found = {str(deal["id"]): mapping.listed_counts(deal, kind) for deal in deals}
            counts[kind] = {deal_id: number for deal_id, (number, _) in found.items()}
            cut = [deal_id for deal_id, (_, complete) in found.items() if not complete]
            if cut:
                counts[kind].update(self.read(cut).get(kind, {}))
        return counts

    def read(self, deal_ids: Sequence[str]) -> Counts:
        """By batch, for deals that were not listed; a deal without any is left out (= 0)."""
        counts: Counts = {}
        if deal_ids:
            for kind in list(self._kinds):
                try:
                    counts[kind] = self._read_kind(kind, deal_ids)
                except AuthError as error:
                    self.give_up(error)
        return counts

    def _read_kind(self, kind: str, deal_ids: Iterable[str]) -> dict[str, int]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        todo: list[tuple[str, str | None]] = [(deal_id, None) for deal_id in deal_ids]
        done: set[tuple[str, str | None]] = set()
        while todo:
            if not done.isdisjoint(todo):
                raise PermanentError(f"HubSpot gave the same page of a deal's {kind} twice.")
            done.update(todo)
            todo = [more for part in chunks(todo, BATCH) for more in self._page(kind, part, found)]
        return {deal_id: len(ids) for deal_id, ids in found.items()}

    def _page(
        self,
        kind: str,
        part: Sequence[tuple[str, str | None]],
        found: defaultdict[str, set[str]],
    ) -> list[tuple[str, str | None]]:
        """Adds to `found`; gives the deals that have more, and where it starts."""
        inputs = [{"id": i, "after": after} if after else {"id": i} for i, after in part]
        what = f"the {kind} of deals"
        answer = self._client.post(
            self._client.paths.associations(kind),
            {"inputs": inputs},
            what=what,
            expect="results",
            bucket=ASSOCIATIONS,
            idempotent=True,
        )
        refuse_half_answers(answer, what)
        more: list[tuple[str, str | None]] = []
        for record in records(answer):
            deal_id = str(record["from"]["id"])
            found[deal_id].update(str(to["toObjectId"]) for to in record.get("to") or ())
            after = next_after(record)
            if after is not None:
                more.append((deal_id, after))
        return more
