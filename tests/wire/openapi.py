"""Response schemas of an OpenAPI 3.0 document, for jsonschema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator, FormatChecker

CHECKED = FormatChecker(formats=())


@CHECKED.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Difference:
    """Where the published schema of one object and what HubSpot does are not the same.

    extra: fields the schema does not know; optional: required by the schema, yet left out;
    types: a field -> the types it really has.
    """

    why: str
    extra: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    types: Mapping[str, list[str]] = field(default_factory=dict)


class Description:
    """`differences`: schema name -> what to put right in it. Unknown fields are errors."""

    def __init__(self, file: Path, differences: Mapping[str, Difference]) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one where it is built in
        self._document = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
        schemas = self._document["components"]["schemas"]
        self._schemas = {
            name: _put_right(_strict(schema), differences.get(name))
            for name, schema in schemas.items()
        }

    def validator(self, method: str, path: str, status: int) -> Draft7Validator:
        """For one response; a status that is not described is checked as `default`."""
        responses = self._document["paths"][path][method.lower()]["responses"]
        response = responses.get(str(status), responses["default"])
        (content,) = response["content"].values()
        schema = _strict(content["schema"]) | {"components": {"schemas": self._schemas}}
        return Draft7Validator(schema, format_checker=CHECKED)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key != "example"}
    if made.get("nullable") is True:
        made["type"] = [made["type"], "null"]
    if made.get("properties") and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def _put_right(schema: dict[str, Any], difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return schema
    properties = schema["properties"] | {name: {} for name in difference.extra}
    for name, types in difference.types.items():
        properties[name] = {"type": types}
    required = [name for name in schema.get("required", ()) if name not in difference.optional]
    return schema | {"properties": properties, "required": required}
