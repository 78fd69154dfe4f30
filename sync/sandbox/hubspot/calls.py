"""One API call as a handler sees it, and its answer; no web framework in either."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.crm import Crm
from sync.sandbox.limits import Limits
from sync.sandbox.store.tokens import Token


class BadBody(ValueError):
    """A request body that does not have the form it should."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` None = no content."""

    status: int = 200
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """path: names in the path -> what stood there. query: a parameter -> all its values.

    version: "v3", "v4" or a date such as "2026-09". origin: scheme and host of the server.
    """

    crm: Crm
    limits: Limits
    token: Token
    version: str
    origin: str
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    raw: bytes

    @property
    def behaviour(self) -> Behaviour:
        return self.crm.behaviour

    def text(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        return self.text(name).lower() == "true"

    def names(self, name: str) -> list[str]:
        """A list given as `a,b`, or by repeating the parameter, or both."""
        return [part for text in self.query.get(name, ()) for part in text.split(",") if part]

    def body(self) -> dict[str, Any]:
        """Raises BadBody where it is not a JSON object."""
        try:
            body = orjson.loads(self.raw)
        except orjson.JSONDecodeError as error:
            raise BadBody(f"Invalid input JSON: {error}") from error
        if not isinstance(body, dict):
            raise BadBody("Invalid input JSON: an object is needed")
        return body

    def inputs(self, most: int) -> list[dict[str, Any]]:
        """The body's `inputs`. Raises BadBody where they are missing or too many."""
        body = self.body()
        if "inputs" not in body:
            raise BadBody("Some required fields were not set: [inputs]")
        inputs = objects_in(body, "inputs")
        if len(inputs) > most:
            raise BadBody(f"The maximum number of inputs supported in a batch request is {most}")
        return inputs


def objects_in(spec: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of JSON objects under `key`, empty where there is none. Raises BadBody."""
    found = spec.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadBody(f"Invalid input JSON: {key} has to be a list of objects")
    return found


Handler = Callable[[Call], Reply]
Scopes = Callable[[Call], tuple[str, ...]]
"""The scopes of which any one suffices for a call; empty = any token will do."""
