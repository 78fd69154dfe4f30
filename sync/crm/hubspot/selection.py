"""Which properties are read of every deal, however many there are.

HubSpot refuses long addresses (414), and counts and lengths of properties grow overnight: what
does not fit into a list's address is asked for by POST, a few hundred at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sync.clock import Clock
from sync.crm.base import FieldDefinition
from sync.crm.hubspot import extra, values
from sync.crm.hubspot.answers import Json
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.extra import Extra
from sync.crm.hubspot.listing import chunks, records, refuse_half_answers
from sync.errors import AuthError

DEFINITIONS_LAST: Final = timedelta(hours=6)
"""So long definitions are taken to be as they were read."""

ADDRESS_CHARS: Final = 6_000
"""Of an address for the names of properties; limits from 8,000 on were seen."""
PER_REQUEST: Final = 250
"""Properties in one batch read, so that no answer gets out of hand."""
_MODIFIED: Final = "hs_lastmodifieddate"


class ExtraProperties:
    """patterns: names as configured: exact, `prefix*`, or `*`. taken: names that are read anyway;
    a pattern does not bring them a second time, their exact name does."""

    def __init__(
        self,
        client: HubSpotClient,
        patterns: Sequence[str],
        *,
        taken: Collection[str],
        clock: Clock,
    ) -> None:
        self._client = client
        self._patterns = tuple(patterns)
        self._taken = frozenset(taken)
        self._clock = clock
        self._found = Extra()
        self._read_at: datetime | None = None

    def now(self) -> Extra:
        """Asks HubSpot at most once in `DEFINITIONS_LAST`, and not at all where none is wanted."""
        now = self._clock.now()
        if self._patterns and (self._read_at is None or now - self._read_at >= DEFINITIONS_LAST):
            self._found, self._read_at = self._read(), now
        return self._found

    def _read(self) -> Extra:
        what = "the definitions of deal properties"
        try:
            answer = self._client.get(self._client.paths.property_list, what=what, expect="results")
        except AuthError as error:
            if not error.missing_scopes:
                raise
            return Extra(left_out=(f"extra_properties are left out. {error}",))
        return extra.chosen(self._patterns, records(answer), self._taken)


@dataclass(frozen=True, slots=True)
class Selection:
    """plain: what the mirror's own columns need. extra: what the customer asked for besides."""

    plain: tuple[str, ...]
    extra: Mapping[str, FieldDefinition] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.plain, *self.extra)))

    @property
    def fits_an_address(self) -> bool:
        """Whether a GET may name all of them."""
        return sum(len(name) + len("%2C") for name in self.names) <= ADDRESS_CHARS

    @property
    def listed(self) -> tuple[str, ...]:
        """What a GET names; the others are added by `completed`."""
        return self.names if self.fits_an_address else self.plain

    @property
    def shown(self) -> tuple[str, ...]:
        """As many as a GET may name, for where some will do."""
        room, names = ADDRESS_CHARS, []
        for name in self.names:
            room -= len(name) + len("%2C")
            if room < 0:
                break
            names.append(name)
        return tuple(names)

    @property
    def unlisted(self) -> tuple[str, ...]:
        listed = frozenset(self.listed)
        return tuple(name for name in self.names if name not in listed)


def read_by_id(
    client: HubSpotClient,
    deal_ids: Sequence[str],
    selection: Selection,
    history: Sequence[str] = (),
) -> list[Json]:
    """Those of at most a batch of deals that exist, whole, in any order. history: properties whose
    history comes along."""
    first = selection.names[:PER_REQUEST]
    found = _batch(client, deal_ids, first, history)
    return _with(client, found, selection.names[PER_REQUEST:])


def completed(client: HubSpotClient, found: list[Json], selection: Selection) -> list[Json]:
    """Deals that a GET has listed, with the properties that its address had no room for."""
    return _with(client, found, selection.unlisted)


def _with(client: HubSpotClient, found: list[Json], names: Sequence[str]) -> list[Json]:
    """Adds `names` to the deals in place. A deal that changed in between keeps the earlier date of
    the two, so that the next pull reads it again; one that is gone keeps what it has."""
    by_id = {str(record["id"]): record for record in found}
    for some in chunks(names, PER_REQUEST) if by_id else ():
        for more in _batch(client, list(by_id), some, ()):
            record = by_id.get(str(more["id"]))
            if record is None:
                continue
            here, there = record.setdefault("properties", {}), more.get("properties") or {}
            modified = _earlier(here.get(_MODIFIED), there.get(_MODIFIED))
            here.update({name: there[name] for name in some if name in there})
            here[_MODIFIED] = modified
    return found


def _batch(
    client: HubSpotClient, deal_ids: Sequence[str], names: Sequence[str], history: Sequence[str]
) -> list[Json]:
    body: Json = {
        "properties": list(names),
        "inputs": [{"id": deal_id} for deal_id in deal_ids],
    }
    if history:
        body["propertiesWithHistory"] = list(history)
    what = f"{len(deal_ids)} deals"
    answer = client.post(
        client.paths.deals_batch_read, body, what=what, expect="results", idempotent=True
    )
    refuse_half_answers(answer, what)
    return records(answer)


def _earlier(one: str | None, other: str | None) -> str | None:
    """Of two modification dates; one that is not told or not understood counts for nothing."""
    parsed = {}
    for raw in (one, other):
        at = values.Doubts("").parse("", values.instant, raw)
        if at is not None:
            parsed[at] = raw
    return parsed[min(parsed)] if parsed else one
