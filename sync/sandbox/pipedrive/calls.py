"""One API call as a handler sees it, and its answer; no web framework in either."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.errors import bad_request, invalid
from sync.sandbox.pipedrive.instants import parsed
from sync.sandbox.pipedrive.records import Actor
from sync.sandbox.pipedrive.tokens import Token

DEFAULT_LIMIT, MOST = 100, 500


@dataclass(frozen=True, slots=True)
class Reply:
    data: Any
    additional: Mapping[str, Any] | None = None
    status: int = 200
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        shown = {"success": True, **self.extra, "data": self.data}
        return shown if self.additional is None else shown | {"additional_data": self.additional}


@dataclass(frozen=True, slots=True)
class Call:
    """path: names in the path -> what stood there. query: a parameter -> its (last) value."""

    crm: PipedriveCrm
    token: Token
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    form: bool = False

    @property
    def behaviour(self) -> PipedriveBehaviour:
        return self.crm.behaviour

    @property
    def actor(self) -> Actor:
        return Actor(self.token.user_id, "api")

    def known(self, *names: str) -> None:
        """What is done with other parameters is the behaviour's choice."""
        other = [name for name in self.query if name not in names]
        if other and self.behaviour.unknown_query == "error":
            raise invalid(*((n, f"Parameter '{n}' is not allowed for this request") for n in other))

    def names(self, name: str) -> list[str]:
        return [part for part in self.query.get(name, "").split(",") if part]

    def whole(self, name: str) -> int | None:
        """Raises ApiError where it is given and no whole number."""
        text = self.query.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()):
            raise invalid((name, f"'{text}' is not a valid integer"))
        return int(text)

    def instant(self, name: str) -> int | None:
        """Whole seconds with Z; raises ApiError for anything else, also for fractions."""
        text = self.query.get(name)
        if text is None:
            return None
        at = parsed(text)
        if at is None:
            raise invalid((name, f"'{text}' is not a valid datetime"))
        return at

    def flag(self, name: str) -> bool | None:
        text = self.query.get(name)
        if text is None:
            return None
        if text not in ("true", "false", "0", "1"):
            raise invalid((name, f"'{text}' is not a valid boolean"))
        return text in ("true", "1")

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """The first one by default."""
        text = self.query.get(name, allowed[0])
        if text not in allowed:
            raise invalid((name, f"Expected one of {', '.join(allowed)}"))
        return text

    def limit(self) -> int:
        limit = self.whole("limit")
        if limit is None:
            return DEFAULT_LIMIT
        if limit < 1 or (limit > MOST and self.behaviour.over_limit == "error"):
            raise invalid(("limit", f"Expected a value between 1 and {MOST}"))
        return min(limit, MOST)

    def json(self) -> Any:
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError as error:
            raise bad_request("Bad request: the body is not valid JSON") from error

    def body(self) -> dict[str, Any]:
        """Raises ApiError where it is not a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise invalid(("body", "Expected object"))
        return body


Handler = Callable[[Call], Reply]
