"""How many contacts and companies belong to each deal, and in which roles its contacts do.

A role is the label of the association between the deal and the contact.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple

from sync.crm.hubspot import mapping
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.in_flight import in_flight
from sync.crm.hubspot.limits import ASSOCIATIONS
from sync.crm.hubspot.listing import chunks, next_after, records, refuse_half_answers
from sync.errors import AuthError, PermanentError

KINDS: Final = ("contacts", "companies")
BATCH: Final = 1000
_CONTACTS: Final = "contacts"

Counts = dict[str, dict[str, int]]


class Associated(NamedTuple):
    """`counts` by kind and deal; `roles` by deal, as `Deal.contact_roles`, None = not known of
    any. A deal that is not there has none."""

    counts: Counts
    roles: dict[str, str] | None = None


NOTHING_TOLD: Final = Associated({})


class Linked(NamedTuple):
    """What a page of a list tells. cut: by kind, the deals of which it shows only some."""

    counts: Counts
    cut: dict[str, list[str]]


def linked(deals: Sequence[Json]) -> Linked:
    found = Linked({}, {})
    for kind in KINDS:
        counts = found.counts[kind] = {}
        for deal in deals:
            if kind in (deal.get("associations") or ()):
                number, complete = mapping.listed_counts(deal, kind)
                counts[str(deal["id"])] = number
                if not complete:
                    found.cut.setdefault(kind, []).append(str(deal["id"]))
    return found


class _Found:
    """What a batch has told so far of each deal."""

    def __init__(self) -> None:
        self.ids: defaultdict[str, set[str]] = defaultdict(set)
        self.labels: defaultdict[str, set[str]] = defaultdict(set)


class Associations:
    """Those of one pull. A kind for which the token has no scope is left out, and named.

    roles: whether contacts' roles are wanted; a list does not tell them, so that they take a
    request more for each lot that was listed.
    """

    def __init__(self, client: HubSpotClient, *, roles: bool = False) -> None:
        self._client = client
        self._roles = roles
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

    def listed(self, pages: Iterable[Linked]) -> Associated:
        """Of deals that were listed with their associations; long ones are read to the end."""
        pages = list(pages)
        counts: Counts = {}
        for kind in list(self._kinds):
            counts[kind] = {}
            for page in pages:
                counts[kind].update(page.counts[kind])
            cut = [deal_id for page in pages for deal_id in page.cut.get(kind, ())]
            if cut:
                counts[kind].update(self._read([kind], cut).counts.get(kind, {}))
        roles = None
        if self._roles and _CONTACTS in counts:
            some = [deal_id for deal_id, number in counts[_CONTACTS].items() if number]
            roles = self._read([_CONTACTS], some).roles
        return Associated(counts, roles)

    def read(self, deal_ids: Sequence[str]) -> Associated:
        """By batch, for deals that were not listed; a deal without any is left out (= 0)."""
        return self._read(list(self._kinds), deal_ids) if deal_ids else NOTHING_TOLD

    def _read(self, kinds: Iterable[str], deal_ids: Sequence[str]) -> Associated:
        counts: Counts = {}
        roles = None
        for kind, found in in_flight(partial(self._permitted, deal_ids), kinds):
            if isinstance(found, AuthError):
                if kind in self._kinds:
                    self.give_up(found)
                continue
            counts[kind] = {deal_id: len(ids) for deal_id, ids in found.ids.items()}
            if kind == _CONTACTS and self._roles:
                roles = {i: "\n".join(sorted(labels)) for i, labels in found.labels.items()}
        return Associated(counts, roles)

    def _permitted(self, deal_ids: Sequence[str], kind: str) -> _Found | AuthError:
        try:
            return self._read_kind(kind, deal_ids)
        except AuthError as error:
            return error

    def _read_kind(self, kind: str, deal_ids: Iterable[str]) -> _Found:
        found = _Found()
        todo: list[tuple[str, str | None]] = [(deal_id, None) for deal_id in deal_ids]
        done: set[tuple[str, str | None]] = set()
        while todo:
            if not done.isdisjoint(todo):
                raise PermanentError(f"HubSpot gave the same page of a deal's {kind} twice.")
            done.update(todo)
            todo = [more for part in chunks(todo, BATCH) for more in self._page(kind, part, found)]
        return found

    def _page(
        self, kind: str, part: Sequence[tuple[str, str | None]], found: _Found
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
            for to in record.get("to") or ():
                found.ids[deal_id].add(str(to["toObjectId"]))
                found.labels[deal_id].update(mapping.association_labels(to))
            after = next_after(record)
            if after is not None:
                more.append((deal_id, after))
        return more
