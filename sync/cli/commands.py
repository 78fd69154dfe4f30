"""All commands, and where each is found: a command's module is imported when the command runs, so
that `dealpulse --help` answers at once and no command holds what only another one needs.
"""

from functools import cached_property
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

MARKUP: Final = "rich"


class Command(TyperCommand):
    """One line of `dealpulse --help`. Whatever else is asked of it, the command itself answers.

    module: of `sync.cli`; its `register` makes the command. help: as the command's own first
    sentence.
    """

    def __init__(self, name: str, module: str, panel: str, help: str) -> None:  # noqa: A002
        super().__init__(name, help=help, rich_help_panel=panel, rich_markup_mode=MARKUP)
        self._module = module

    @cached_property
    def itself(self) -> Any:
        """The command or group of commands, imported now."""
        app = typer.Typer(rich_markup_mode=MARKUP)
        import_module(f"sync.cli.{self._module}").register(app)
        return typer.main.get_group(app).commands[self.name or ""]

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        return self.itself.make_context(*arguments, **more)


_SET_UP, _READ, _LOOK, _ACT, _TRY = "Set up", "Read", "Look", "Act", "Try"

COMMANDS: Final = (
    Command("init", "setup", _SET_UP, "Write a commented configuration that works as it stands."),
    Command(
        "check",
        "setup",
        _SET_UP,
        "Try the token, its scopes and the database; say what would be read and written.",
    ),
    Command(
        "connect",
        "connect",
        _SET_UP,
        "Grant your OAuth app access to a CRM account: open the address that is printed, allow, "
        "and paste the address that the browser ends up at.",
    ),
    Command("sync", "sync", _READ, "Pull what changed since the last time, and assess it."),
    Command(
        "backfill",
        "sync",
        _READ,
        "Read every deal with its whole history again, as the first time.",
    ),
    Command(
        "status",
        "sync",
        _READ,
        "Show what the mirror holds and how the last runs went. Asks nothing of the CRM.",
    ),
    Command(
        "doctor",
        "doctor",
        _READ,
        "Compare the mirror with everything that the CRM lists, and name the deals that differ.",
    ),
    Command(
        "import",
        "files",
        _READ,
        "Read an export of any CRM: show what is understood of it, or take it in.",
    ),
    Command(
        "forecast",
        "results",
        _LOOK,
        "Revenue expected this and next month and quarter, as a range with its past accuracy.",
    ),
    Command(
        "velocity",
        "process",
        _LOOK,
        "Sales velocity: opportunities x average value x win rate / cycle length = money per day.",
    ),
    Command(
        "process",
        "process",
        _LOOK,
        "How deals run: time and conversion by stage, cycle by size, exit criteria.",
    ),
    Command(
        "bottlenecks",
        "process",
        _LOOK,
        "What holds the sale up, the money per day that it costs, and how sure that is.",
    ),
    Command(
        "improvement",
        "process",
        _LOOK,
        "Did it work: what was changed, against before it and against the others.",
    ),
    Command(
        "changes",
        "changes",
        _LOOK,
        "What changed in the open pipeline and in the forecast, adding up to the cent.",
    ),
    Command(
        "funnel",
        "leads",
        _LOOK,
        "Leads from visitor to customer: who entered each stage, went on, and how soon.",
    ),
    Command(
        "leads",
        "leads",
        _LOOK,
        "How soon leads get a first response, who nobody has touched, and who is worth a call.",
    ),
    Command(
        "quality",
        "quality",
        _LOOK,
        "What is wrong with the deals, the money that rests on it, and what to put right first.",
    ),
    Command(
        "stale",
        "quality",
        _LOOK,
        "Open deals that nobody has touched for longer than is normal in their stage.",
    ),
    Command(
        "backtest",
        "backtest",
        _LOOK,
        "Test every forecast method on your own past: what each would have said, and what came.",
    ),
    Command(
        "run",
        "daemon",
        _ACT,
        "The daemon: pull, assess, write back every few minutes; alerts once a day.",
    ),
    Command(
        "sandbox",
        "sandbox",
        _TRY,
        "Serve a simulated CRM that answers as HubSpot's or Pipedrive's API does, until Ctrl-C.",
    ),
    Command(
        "demo",
        "demo",
        _TRY,
        "Show the whole loop on a simulated CRM: nothing to install, no account, no network.",
    ),
    Command("db", "setup", _SET_UP, "Look after the mirror's database."),
    Command(
        "goals",
        "goals",
        _LOOK,
        "Quotas against what was won: attainment, pace, gap, coverage, the chance of reaching "
        "them.",
    ),
    Command("writeback", "writeback", _ACT, "Forecast properties in the CRM: see, then write."),
    Command("archive", "archive", _ACT, "Close dead deals as lost: see, do, undo."),
    Command("alerts", "alerts", _ACT, "Alerts on deals, leads and bottlenecks: see, then send."),
)
"""In the order of `--help` and docs/commands.md."""


class Commands(TyperGroup):
    """The group of `COMMANDS`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": list(COMMANDS)})
