"""Records in the form of HubSpot's answers."""

from collections.abc import Sequence

from sync.sandbox.hubspot.calls import Call
from sync.sandbox.hubspot.errors import invalid
from sync.sandbox.hubspot.scopes import refuse_unseen
from sync.sandbox.store.instants import iso
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.links import LINK_TYPES, OBJECT_NAMES
from sync.sandbox.store.records import Record

MOST_ASSOCIATIONS = 100


class Shape:
    """What each record of an answer shows; unknown properties are left out without a word.

    Without `properties` a read shows the type's default ones.
    """

    def __init__(
        self,
        call: Call,
        kind: Kind,
        properties: Sequence[str] = (),
        history: Sequence[str] = (),
        associations: Sequence[str] = (),
    ) -> None:
        self._call = call
        self._kind = kind
        self._getters = kind.reader.getters([*(properties or kind.defaults), *kind.always])
        self._history = kind.reader.getters(history)
        self._associations = [self._target(name) for name in associations]
        portal = call.crm.portal_id
        self._url = f"https://app-eu1.hubspot.com/contacts/{portal}/record/{kind.type_id}/"

    def show(self, record: Record) -> dict[str, object]:
        shown: dict[str, object] = {
            "id": str(record.id),
            "properties": {name: get(record) for name, get in self._getters},
            "createdAt": iso(record.created),
            "updatedAt": iso(record.modified),
            "archived": record.archived is not None,
        }
        if record.archived is not None:
            shown["archivedAt"] = iso(record.archived)
        if self._kind.name == "deals":
            shown["url"] = f"{self._url}{record.id}"
        if self._history:
            shown["propertiesWithHistory"] = self._versions(record)
        if self._associations:
            associations = self._links(record)
            if associations:
                shown["associations"] = associations
        return shown

    def _versions(self, record: Record) -> dict[str, list[dict[str, object]]]:
        shown = {}
        for name, get in self._history:
            versions = [version.as_json() for version in reversed(record.history.get(name, ()))]
            if not versions and (value := get(record)) is not None:
                versions = [
                    {"value": value, "timestamp": iso(record.modified), "sourceType": "CALCULATED"}
                ]
            if self._call.behaviour.history_order == "shuffled":
                versions = versions[1::2] + versions[::2]
            shown[name] = versions
        return shown

    def _target(self, name: str) -> str:
        target = OBJECT_NAMES.get(name)
        if target is None or (self._kind.name, target) not in LINK_TYPES:
            raise invalid(f"Unable to infer object type from: {name}")
        refuse_unseen(self._call, target)
        return target

    def _links(self, record: Record) -> dict[str, object]:
        shown: dict[str, object] = {}
        for target in self._associations:
            links = self._call.crm.links.of(self._kind.name, record.id, target)
            if not links:
                continue
            link_type = LINK_TYPES[self._kind.name, target]
            results = []
            for link in links[:MOST_ASSOCIATIONS]:
                if link.primary:
                    results.append({"id": str(link.to), "type": link_type.name})
                suffix = "_unlabeled" if link_type.primary is not None else ""
                results.append({"id": str(link.to), "type": link_type.name + suffix})
            answer: dict[str, object] = {"results": results}
            if len(links) > MOST_ASSOCIATIONS:
                following = str(links[MOST_ASSOCIATIONS].to)
                path = f"/crm/v3/objects/{self._kind.name}/{record.id}/associations/{target}"
                answer["paging"] = paging(following, f"{self._call.origin}{path}?after={following}")
            shown[target] = answer
        return shown


def paging(after: str, link: str) -> dict[str, object]:
    return {"next": {"after": after, "link": link}}
