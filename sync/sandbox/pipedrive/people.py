"""Users of the simulated Pipedrive: one administrator, whose token it is, and the salespeople."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32
from zoneinfo import ZoneInfo

from sync.sandbox.company import CompanyOwner
from sync.sandbox.pipedrive.instants import spaced
from sync.sandbox.store.refusals import Missing

_FIRST_USER = 18_000_001


@dataclass(slots=True)
class User:
    id: int
    name: str
    email: str
    created: int
    modified: int
    active: bool = True
    admin: bool = False


class Users:
    """`ids`: the owner's id in the company -> the user's."""

    def __init__(self, owners: Iterable[CompanyOwner], created: int) -> None:
        self.admin = User(
            _FIRST_USER, "CRM Admin", "admin@example.com", created, created, admin=True
        )
        self._users = {self.admin.id: self.admin}
        self.ids: dict[str, int] = {}
        for number, owner in enumerate(owners, start=_FIRST_USER + 1):
            name = f"{owner.first_name} {owner.last_name}".strip() or owner.id
            self._users[number] = User(number, name, owner.email, created, created, owner.active)
            self.ids[owner.id] = number

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def add(self, name: str, email: str, at: int) -> User:
        number = max(self._users) + 1
        self._users[number] = User(number, name, email, at, at)
        return self._users[number]

    def get(self, user_id: object) -> User:
        """Raises Missing."""
        text = str(user_id)
        user = self._users.get(int(text)) if text.isascii() and text.isdigit() else None
        if user is None:
            raise Missing(f"no user {user_id}")
        return user

    def find(self, user_id: object) -> User | None:
        return self._users.get(user_id) if isinstance(user_id, int) else None


@dataclass(frozen=True, slots=True)
class UserShape:
    """v1's form of a user; null is null, "" or a zero date as the field has its habit."""

    time_zone: str
    currency: str
    now: datetime

    def show(self, user: User, *, is_you: bool) -> dict[str, object]:
        offset = self.now.astimezone(ZoneInfo(self.time_zone)).strftime("%z")
        access = [
            {"app": app, "admin": user.admin, "permission_set_id": permission_set(app, user.admin)}
            for app in (("sales", "global", "account_settings") if user.admin else ("sales",))
        ]
        return {
            "id": user.id,
            "name": user.name,
            "default_currency": self.currency,
            "locale": "en_US",
            "lang": 1,
            "email": user.email,
            "phone": None,
            "activated": True,
            "last_login": spaced(user.modified),
            "created": spaced(user.created),
            "modified": spaced(user.modified),
            "has_created_company": user.admin,
            "access": access,
            "active_flag": user.active,
            "timezone_name": self.time_zone,
            "timezone_offset": f"{offset[:3]}:{offset[3:]}",
            "role_id": 1,
            "icon_url": None,
            "is_you": is_you,
            "is_deleted": False,
        }


def permission_set(app: str, admin: bool) -> str:
    number = crc32(f"{app} {admin}".encode())
    return f"{number:08x}-0000-4000-8000-{number:012x}"
