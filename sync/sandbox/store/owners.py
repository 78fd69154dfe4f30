"""Users of the simulated account who can own deals."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sync.sandbox.company import CompanyOwner
from sync.sandbox.store.instants import iso
from sync.sandbox.store.refusals import Missing

_FIRST_ID = 64_490_001
_FIRST_USER_ID = 9_580_001
_FIRST_TEAM_ID = 178_501


@dataclass(slots=True)
class Owner:
    id: str
    user_id: int
    first_name: str
    last_name: str
    email: str
    team: tuple[str, str] | None
    created: int
    archived: bool

    def as_json(self) -> dict[str, object]:
        answer: dict[str, object] = {
            "id": self.id,
            "email": self.email,
            "type": "PERSON",
            "firstName": self.first_name,
            "lastName": self.last_name,
            "userId": None if self.archived else self.user_id,
            "userIdIncludingInactive": self.user_id,
            "createdAt": iso(self.created),
            "updatedAt": iso(self.created),
            "archived": self.archived,
        }
        if self.team is not None:
            team_id, name = self.team
            answer["teams"] = [{"id": team_id, "name": name, "primary": True}]
        return answer


class Owners:
    """`ids`: the company's own name of an owner -> the numeric id in the CRM; `team_ids`: a team's
    name -> its id."""

    def __init__(self, owners: Iterable[CompanyOwner], created: int) -> None:
        self._owners: dict[str, Owner] = {}
        self.ids: dict[str, str] = {}
        self.team_ids: dict[str, str] = {}
        for position, owner in enumerate(owners):
            owner_id = owner.id if owner.id.isdecimal() else str(_FIRST_ID + position)
            team = None
            if owner.team:
                fresh = str(_FIRST_TEAM_ID + len(self.team_ids))
                team = (self.team_ids.setdefault(owner.team, fresh), owner.team)
            self.ids[owner.id] = owner_id
            self._owners[owner_id] = Owner(
                owner_id,
                _FIRST_USER_ID + position,
                owner.first_name,
                owner.last_name,
                owner.email,
                team,
                created,
                not owner.active,
            )

    def __contains__(self, owner_id: object) -> bool:
        return owner_id in self._owners

    def __iter__(self) -> Iterator[Owner]:
        """By ascending id."""
        return iter(sorted(self._owners.values(), key=lambda o: int(o.id)))

    def get(self, owner_id: str) -> Owner:
        if owner_id not in self._owners:
            raise Missing(f"no owner {owner_id}")
        return self._owners[owner_id]

    def user_id(self, owner_id: str | None) -> int:
        """The user behind an owner; the account's administrator where there is none."""
        owner = self._owners.get(owner_id or "")
        return owner.user_id if owner else _FIRST_USER_ID - 1
