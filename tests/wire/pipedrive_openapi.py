"""Pipedrive's published API descriptions, and where an answer is not what they say."""

import gzip
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator, ValidationError

FOLDER = Path(__file__).parents[3] / "shared/reference/specs/pipedrive"


@cache
def description(version: str) -> dict[str, Any]:
    """The paths of "v1" or "v2"."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one where it is built in
    text = gzip.decompress((FOLDER / f"{version}.yaml.gz").read_bytes())
    paths: dict[str, Any] = yaml.load(text, Loader=loader)["paths"]
    return paths


def operation(version: str, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = description(version)[path][method.lower()]
    return found


def deviations(version: str, method: str, path: str, body: Any, status: int = 200) -> set[str]:
    """Where an answer deviates: `null data.[].person_id`, `extra data.labels`, `type data.x`."""
    content = operation(version, method, path)["responses"][str(status)]["content"]
    schema = plain(content["application/json"]["schema"])
    found: set[str] = set()
    for error in Draft7Validator(schema).iter_errors(body):
        found |= set(_named(error))
    return found


def plain(schema: Any) -> Any:
    """As JSON Schema: parts merged, null where it is allowed, unknown fields not allowed."""
    if not isinstance(schema, dict):
        return schema
    made = {key: schema[key] for key in ("type", "enum", "additionalProperties") if key in schema}
    parts = [schema, *schema.get("allOf", ())]
    for part in parts[1:]:
        made |= {key: value for key, value in plain(part).items() if key != "properties"}
    properties = _properties(parts)
    if properties:
        made = {"additionalProperties": False} | made | {"properties": properties}
    if "items" in schema:
        made["items"] = plain(schema["items"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            made[key] = [plain(part) for part in schema[key]]
    return _or_null(made) if schema.get("nullable") else made


def _properties(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Those of all parts; an object that two of them describe is described by both together."""
    described = [
        {name: plain(value) for name, value in parts[0].get("properties", {}).items()},
        *(plain(part).get("properties", {}) for part in parts[1:]),
    ]
    made: dict[str, Any] = {}
    for name, value in (item for part in described for item in part.items()):
        before = made.get(name, {})
        made[name] = before | value
        if "properties" in before and "properties" in value:
            made[name]["properties"] = before["properties"] | value["properties"]
    return made


def _or_null(made: dict[str, Any]) -> dict[str, Any]:
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made


def _named(error: ValidationError) -> Iterator[str]:
    where = ".".join("[]" if isinstance(part, int) else str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance:
            if name not in known:
                yield f"extra {where}.{name}".replace(" .", " ")
    elif error.validator in ("type", "enum") and error.instance is None:
        yield f"null {where}"
    else:
        yield f"{error.validator} {where}"
