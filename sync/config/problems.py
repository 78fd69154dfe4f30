"""What is wrong with a configuration, in words that say what to do. No value that may be a secret
is ever quoted."""

import difflib
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sync.config.document import Path
from sync.config.secrets import is_secret_name, looks_secret
from sync.config.settings import all_settings, bare, choices, entry_models, kind_of, model_at

_PLAIN = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number, like 0.75",
    "float_type": "must be a number, like 0.75",
    "finite_number": "must be a finite number",
    "decimal_parsing": "must be a number, like 11.60",
    "decimal_type": "must be a number, like 11.60",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must hold settings of its own, indented below it",
    "model_type": "must hold settings of its own, indented below it",
    "model_attributes_type": "must hold settings of its own, indented below it",
    "list_type": "must be a list: one line per entry, each starting with '- '",
}
_LIMITS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "too_short": ("min_length", "needs at least {} entry"),
    "string_too_short": ("min_length", "must not be empty"),
}
_KIND_ERRORS = ("union_tag_invalid", "union_tag_not_found")
_SHORT = 40


def dotted(path: Path) -> str:
    """`connections[0].token_env`. A name that may itself be a secret is not shown."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = "***" if looks_secret(step) else step
            text += f".{name}" if text else name
    return text or "the file"


def secret_problems(data: Any, path: Path = ()) -> list[tuple[Path, str]]:
    """Values that look like secrets, wherever they stand."""
    if isinstance(data, dict):
        found = []
        for key, value in data.items():
            if is_secret_name(key) and isinstance(value, str):
                found.append(((*path, key), _keep_out(key)))
            else:
                found += secret_problems(value, (*path, key))
        return found
    if isinstance(data, list):
        return [each for i, item in enumerate(data) for each in secret_problems(item, (*path, i))]
    if isinstance(data, str) and looks_secret(data) and path != ("database", "url"):
        return [(path, _keep_out(str(path[-1]) if path else ""))]
    return []


def model_problems(error: ValidationError, data: Any) -> list[tuple[Path, str]]:
    """Every complaint of the model, as (path in the file, what is wrong and what to do)."""
    found = []
    for details in error.errors(include_url=False):
        path = _path_in_file(details["loc"], data)
        if details["type"] in _KIND_ERRORS:
            path = (*path, "kind")
        found.append((path, _explain(details, path, data)))
    return found


def _keep_out(name: str) -> str:
    setting = name if name.endswith("_env") else f"{name}_env"
    known = {each.name for each in all_settings()}
    how = f" and give the variable's name in {setting}" if setting in known else ""
    return (
        "a secret never stands in the file; put it into an environment variable"
        f"{how}. Replace the secret if others could read this file"
    )


def _path_in_file(location: tuple[int | str, ...], data: Any) -> Path:
    """The model's location without the steps that only say which kind of entry was meant."""
    path: list[str | int] = []
    for step in location:
        if isinstance(data, dict) and step not in data and data.get("kind") == step:
            continue
        if step == "[key]":  # the name is wrong, not what stands after it
            continue
        path.append(step)
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
        else:
            data = None
    return tuple(path)


def _explain(details: ErrorDetails, path: Path, data: Any) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path, data)
    if kind == "missing":
        return _missing(path, data)
    if kind == "literal_error" or kind in _KIND_ERRORS:
        return _choose(path, data, context)
    if kind == "value_error":
        shown = "" if "[key]" in details["loc"] else _is(path, data)
        return f"{context['error']}{shown}"
    if kind in _LIMITS:
        key, text = _LIMITS[kind]
        limit = context.get(key)
        bound = f"{float(limit):g}" if isinstance(limit, (int, float, Decimal)) else limit
        return f"{text.format(bound)}{_is(path, data)}"
    return f"{_PLAIN.get(kind, details['msg'])}{_is(path, data)}"


def _unknown(path: Path, data: Any) -> str:
    model = model_at(path[:-1], data)
    known = list(model.model_fields) if model else []
    name = str(path[-1])
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1, 0.6)
    if near:
        return f"there is no such setting; did you mean {near[0]!r}?"
    elsewhere = [s.path.replace("[]", "[0]") for s in all_settings() if s.name == name]
    if elsewhere:
        return f"does not belong here but at {elsewhere[0]}"
    return f"there is no such setting; here may stand: {', '.join(known)}"


def _missing(path: Path, data: Any) -> str:
    model = model_at(path[:-1], data)
    info = model.model_fields.get(str(path[-1])) if model else None
    meaning = info.description if info else None
    allowed = choices(info.annotation) if info else ()
    text = f"is missing. {meaning}" if meaning else "is missing"
    return f"{text} One of: {', '.join(map(str, allowed))}." if allowed else text


def _choose(path: Path, data: Any, context: dict[str, Any]) -> str:
    expected = str(context.get("expected") or context.get("expected_tags") or "")
    allowed = [each.strip(" '") for each in expected.replace(" or ", ",").split(",") if each]
    if not allowed:
        return f"is missing. One of: {', '.join(_kinds(path, data))}."
    value = str(_value_at(path, data) or "").lower()
    near = difflib.get_close_matches(value, allowed, 1, 0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"must be one of: {', '.join(allowed)}{_is(path, data)}{hint}"


def _kinds(path: Path, data: Any) -> list[str]:
    """The kinds of entry that the list may hold in which `path` names an entry's kind."""
    *around, name, _, _ = path
    model = model_at(tuple(around), data)
    info = model.model_fields.get(str(name)) if model else None
    return [kind_of(entry) for entry in entry_models(bare(info.annotation))] if info else []


def _is(path: Path, data: Any) -> str:
    """` (is 'xyz')`, where that helps and can give nothing away."""
    value = _value_at(path, data)
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if not isinstance(value, str) or len(value) > _SHORT or not value.isprintable():
        return ""
    if name.endswith(("_env", "url")) or is_secret_name(name) or looks_secret(value):
        return ""
    return f" (is {value!r})"


def _value_at(path: Path, data: Any) -> Any:
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data
