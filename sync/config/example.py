"""The commented example of the configuration, generated from the model.

A line that starts with `#` and a letter is a setting that may be uncommented as it stands; one
that starts with `# ` explains.
"""

import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sync.config import document, problems
from sync.config.model import Config
from sync.config.settings import bare, choices, entry_models, kind_of
from sync.errors import ConfigError

_WIDTH: Final = 92
_HEAD: Final = """\
# The configuration of dealpulse. `dealpulse check` tells what it would read and write.
#
# A setting that is commented out shows its default or an example: remove the # in front of it to
# change it. Only the connections are needed. No secret stands here: tokens and passwords are
# environment variables, and the settings that end in _env name them.
"""


def render() -> str:
    """The text of config.example.yaml."""
    return init_text()


def init_text(
    *,
    kind: str = "hubspot",
    name: str = "main",
    token_env: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    base_url: str | None = None,
) -> str:
    """The same text with what is known already filled in; None leaves the default.

    Raises ConfigError where what is given is no valid value.
    """
    given = {
        "connections[].kind": kind,
        "connections[].name": name,
        "connections[].token_env": token_env,
        "connections[].base_url": base_url,
        "language": language,
        "time_zone": time_zone,
    }
    known = {path: value for path, value in given.items() if value is not None}
    text = "\n".join([_HEAD, *_mapping(Config, "", _Place(0, known))]).rstrip() + "\n"
    data = document.parse(text).data
    try:
        Config.model_validate(data)
    except ValidationError as error:
        wrong = problems.model_problems(error, data)
        raise ConfigError(
            "; ".join(f"{problems.dotted(path)}: {what}" for path, what in wrong)
        ) from None
    return text


@dataclass(frozen=True, slots=True)
class _Place:
    """Where lines stand. `hidden`: in an entry that is commented out as a whole."""

    indent: int
    given: Mapping[str, str]
    hidden: bool = False

    def deeper(self, *, hidden: bool = False) -> "_Place":
        given = {} if hidden else self.given  # what is known is of the entry that is chosen
        return replace(self, indent=self.indent + 2, given=given, hidden=self.hidden or hidden)

    def line(self, text: str, *, shown: bool = True) -> str:
        mark = "" if shown and not self.hidden else "#"
        return f"{' ' * self.indent}{mark}{text}"


def _mapping(model: type[BaseModel], prefix: str, place: _Place, skip: str = "") -> Iterator[str]:
    for name in model.model_fields:
        if name != skip:
            yield from _comment(model, name, place)
            yield from _setting(model, name, f"{prefix}{name}", place)
            if not place.indent:
                yield ""


def _setting(model: type[BaseModel], name: str, path: str, place: _Place) -> Iterator[str]:
    info = model.model_fields[name]
    inner = bare(info.annotation)
    entries = entry_models(inner)
    if entries and kind_of(entries[0]):
        yield place.line(f"{name}:")
        chosen = place.given.get(f"{path}[].kind", kind_of(entries[0]))
        for entry in entries:
            deeper = place.deeper(hidden=kind_of(entry) != chosen)
            yield from _comment(entry, "kind", deeper)
            yield deeper.line(f"- kind: {kind_of(entry)}")
            yield from _mapping(entry, f"{path}[].", deeper.deeper(), skip="kind")
    elif isinstance(inner, type) and issubclass(inner, BaseModel):
        yield place.line(f"{name}:")
        yield from _mapping(inner, f"{path}.", place.deeper())
    else:
        value = place.given.get(path, _value(info))
        shown = info.is_required() or path in place.given
        if isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict):
            yield place.line(f"{name}:", shown=shown)
            yield from (place.line(f"- {_yaml(entry)}", shown=shown) for entry in value)
        else:
            yield place.line(f"{name}: {_yaml(value)}", shown=shown)


def _comment(model: type[BaseModel], name: str, place: _Place) -> Iterator[str]:
    info = model.model_fields[name]
    text = info.description or ""
    allowed = choices(info.annotation)
    if len(allowed) > 1:
        text += f" One of: {', '.join(map(str, allowed))}."
    for line in textwrap.wrap(text, _WIDTH - place.indent, break_on_hyphens=False):
        yield f"{' ' * place.indent}# {line}"


def _value(info: FieldInfo) -> Any:
    """The default, or an example where the default is nothing."""
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    return info.examples[0] if info.examples and not default else default


class _Dumper(yaml.SafeDumper):
    """Writes decimals as the numbers they are."""


def _decimal(dumper: _Dumper, value: Decimal) -> yaml.Node:
    kind = "float" if "." in f"{value:f}" else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", f"{value:f}")


_Dumper.add_representer(Decimal, _decimal)


def _yaml(value: Any) -> str:
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()


if __name__ == "__main__":
    sys.stdout.write(render())
