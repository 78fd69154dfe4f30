"""docs/commands.md, made from the commands themselves: `make config` writes it anew."""

import inspect
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import typer

from sync.cli.commands import Command
from sync.cli.main import app

_HEAD = """\
# Commands

Made from the program's own `--help` by `make config`. `--config FILE` (or `DEALPULSE_CONFIG`) comes
before the command: `dealpulse --config prod.yaml sync`. Results go to standard output, everything
else to standard error. Colours stay away with `NO_COLOR`, and where the output is not a terminal.
Exit codes are in [operations.md](operations.md).

`--format json` prints one JSON list, with one object for each table and connection: `title`, what
holds for all its rows (`connection`, `as_of`, `currency`, definitions, ...), `notes`, and `rows`
with raw values: instants in UTC, shares 0-1, money as numbers. `--format csv` prints one table with
a header of the same names, `connection`, `as_of` and `currency` in front. Where a command shows
several tables, its section says which one CSV has.

```
dealpulse forecast --format json | jq '.[].rows[] | {period, forecast_learned}'
```
"""


def render() -> str:
    """The page's text."""
    return "\n".join([_HEAD, *_commands(typer.main.get_command(app), "dealpulse")])


def _commands(command: Any, name: str) -> Iterator[str]:
    for listed in command.commands.values():
        each = listed.itself if isinstance(listed, Command) else listed
        path = f"{name} {each.name}"
        if hasattr(each, "commands"):
            if each.invoke_without_command:
                yield from _command(each, path)
            yield from _commands(each, path)
        else:
            yield from _command(each, path)


def _command(command: Any, path: str) -> Iterator[str]:
    yield f"## {path}\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    if options:
        yield "| option | what it does |\n| --- | --- |"
        yield from (_option(option) for option in options)
        yield ""


def _option(option: Any) -> str:
    name = max(option.opts, key=len)
    if not option.is_flag:
        choices = type(option.default) if isinstance(option.default, StrEnum) else ()
        name += " " + ("\\|".join(choices) or option.name.upper())
    text = re.sub(r"\s+", " ", option.help or "").replace("|", "\\|")
    if not option.is_flag and option.default is not None and "[default" not in text:
        default = getattr(option.default, "value", option.default)
        text += f" [default: {default}]"
    return f"| `{name}` | {text} |"


if __name__ == "__main__":
    sys.stdout.write(render())
