"""Which custom field holds which of our properties in this account, found again by its key."""

from collections.abc import Mapping, Sequence
from typing import Final

from sync.crm.base import PropertySpec
from sync.crm.pipedrive import fields, paths
from sync.crm.pipedrive.answers import Json
from sync.crm.pipedrive.client import PipedriveClient
from sync.crm.pipedrive.listing import every
from sync.crm.pipedrive.mapping import OwnField
from sync.crm.pipedrive.state import State

_KEYS: Final = "fields"
_CHOICES: Final = "choices"


class FieldMap:
    """specs: our properties, in the language whose labels are shown."""

    def __init__(
        self, client: PipedriveClient, specs: Sequence[PropertySpec], state: State
    ) -> None:
        self._client = client
        self._specs = tuple(specs)
        self._state = state
        self.found: Mapping[str, Json] = {}
        """Our property -> its definition in Pipedrive, as last read."""

    def read(self) -> Mapping[str, OwnField]:
        """Our properties that have a field now; keys and options are kept for the next time.

        All pages: an account may have hundreds of fields, and ours are the youngest.
        """
        listed = every(self._client, paths.FIELDS, {}, what="the deal fields")
        kept = self._state.load(_KEYS)
        self.found = fields.find([spec.name for spec in self._specs], listed, kept)
        choices = self._choices()
        keys = {name: str(entry["field_code"]) for name, entry in self.found.items()}
        if keys != kept:
            self._state.save(_KEYS, keys)
        return {
            spec.name: OwnField(keys[spec.name], spec.kind, choices.get(spec.name, {}))
            for spec in self._specs
            if spec.name in keys
        }

    def keep(self, name: str, key: str) -> None:
        """A field that was just created: found again even if nothing else comes of this run."""
        self._state.save(_KEYS, {**self._state.load(_KEYS), name: key})

    def option_changes(self, spec: PropertySpec, there: Json) -> tuple[list[Json], list[Json]]:
        """Options of ours to be relabelled, and those to be added."""
        kept = self._state.load(_CHOICES)
        labels = {str(o.get("id")): o.get("label") for o in there.get("options") or ()}
        renamed: list[Json] = []
        new: list[Json] = []
        for value, label in spec.options:
            number = kept.get(f"{spec.name}:{value}", "")
            if label in labels.values():
                continue
            if number in labels:
                renamed.append({"id": int(number), "label": label})
            else:
                new.append({"label": label})
        return renamed, new

    def _choices(self) -> dict[str, dict[str, int]]:
        """Property -> choice -> option. A label in another language hides an option of ours; the
        number kept from before still finds it."""
        kept = self._state.load(_CHOICES)
        found: dict[str, dict[str, int]] = {}
        for spec in self._specs:
            there = self.found.get(spec.name)
            if there is None or not spec.options:
                continue
            numbers = {option.get("id") for option in there.get("options") or ()}
            before = {v: kept.get(f"{spec.name}:{v}") for v, _ in spec.options}
            found[spec.name] = {
                v: int(number) for v, number in before.items() if number and int(number) in numbers
            } | fields.choices(spec, there)
        now = {f"{name}:{v}": str(n) for name, all_of in found.items() for v, n in all_of.items()}
        if now != kept:
            self._state.save(_CHOICES, now)
        return found
