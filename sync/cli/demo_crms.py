"""The CRMs that the demo can be shown on: two served over HTTP, one that only exports files."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import yaml
from sqlalchemy import Engine

from sync.cli.salesperson_view import Card, hubspot_cards, pipedrive_cards
from sync.clock import Clock
from sync.mirror.assessments import most_explained
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.crm import Crm
from sync.sandbox.export import export_csv
from sync.sandbox.salespeople import SimulatedCrm
from sync.sandbox.server import (
    PipedriveBehaviour,
    PipedriveSandbox,
    Sandbox,
    serve,
    serve_pipedrive,
)

TOKEN_ENV = "DEALPULSE_DEMO_TOKEN"  # noqa: S105 - the variable's name, not a token
NAME = "demo"


class DemoCrm(StrEnum):
    HUBSPOT = "hubspot"
    PIPEDRIVE = "pipedrive"
    FILE = "file"


class Simulation(Protocol):
    """where: how it is reached, for the heading. settings: its connection in the configuration;
    more: what else the configuration needs for it. desk: for the salespeople. start: what a person
    does to go on with a CRM of their own.
    """

    where: str
    start: str
    more: Mapping[str, object]

    @property
    def settings(self) -> Mapping[str, object]: ...

    @property
    def token(self) -> str: ...

    @property
    def desk(self) -> SimulatedCrm: ...

    def settle(self) -> None:
        """Before a pull: make what is true visible to it."""

    def cards(self, engine: Engine, count: int) -> Iterator[Card]:
        """Deals as a salesperson sees them, our values among the others."""


class _Served:
    def __init__(self, kind: str, variable: str, running: Sandbox | PipedriveSandbox) -> None:
        self.where = f"served at {running.url}"
        self.start = f"  export {variable}=...\n  dealpulse init --crm {kind}"
        self.settings = {"kind": kind, "token_env": TOKEN_ENV, "base_url": running.url}
        self.token = running.token
        self.desk: SimulatedCrm = running.desk
        self.more: Mapping[str, object] = {}
        self._running = running

    def settle(self) -> None:
        self._running.requests.clear()

    def cards(self, engine: Engine, count: int) -> Iterator[Card]:
        deals = most_explained(engine, NAME, count)
        show = pipedrive_cards if self.settings["kind"] == "pipedrive" else hubspot_cards
        yield from show(deals, self._running.url, self.token)


class _Exported:
    """Nobody can ask this CRM anything: somebody exports it, as a nightly job would."""

    token = "none needed"  # noqa: S105
    start = "  dealpulse import EXPORT.csv --dry-run    what is understood of your export\n"
    start += "  dealpulse init --crm file"

    def __init__(self, crm: Crm, home: Path) -> None:
        self.where = f"exported to {home / 'import'}"
        self.desk: SimulatedCrm = crm
        self._crm = crm
        self._folder = home / "import"
        self._outbox = home / "outbox"
        self._exports = 0
        self._mapping = home / "mapping.yaml"
        self._folder.mkdir()
        self._mapping.write_text(_mapping_of(crm.company), encoding="utf-8")
        rates = crm.company.exchange_rates
        self.more: Mapping[str, object] = {
            "exchange_rates": {code: float(rate) for code, rate in rates.items()}
        }

    @property
    def settings(self) -> Mapping[str, object]:
        company = self._crm.company
        return {
            "kind": "file",
            "folder": str(self._folder),
            "mapping": str(self._mapping),
            "outbox": str(self._outbox),
            "time_zone": company.time_zone,
            "home_currency": company.home_currency,
        }

    def settle(self) -> None:
        self._exports += 1
        draft = self._folder / ".draft"
        draft.write_bytes(export_csv(self._crm))
        draft.replace(self._folder / f"deals-{self._exports}.csv")

    def cards(self, engine: Engine, count: int) -> Iterator[Card]:
        wanted = most_explained(engine, NAME, count)
        text = (self._outbox / f"{NAME}_forecast.csv").read_text("utf-8-sig")
        rows = {row["id"]: row for row in csv.DictReader(text.splitlines(), delimiter=";")}
        for deal_id in wanted:
            row: dict[str, Any] = dict(rows[deal_id])
            yield row.pop("name"), list(row.items())


_COLUMNS = {
    "id": "Id",
    "name": "Tittel",
    "pipeline": "Salgsløp",
    "stage": "Fase",
    "status": "Status",
    "amount": "Verdi",
    "currency": "Valuta",
    "close_date": "Forventet lukkedato",
    "created_at": "Opprettet",
    "updated_at": "Sist endret",
    "owner": "Eier",
    "loss_reason": "Tapsårsak",
    "lead_source": "Kilde",
    "last_activity_at": "Siste aktivitet",
    "next_activity_at": "Neste aktivitet",
    "next_step": "Neste steg",
}


def _mapping_of(company: Company) -> str:
    """What a person would write after `dealpulse import FILE --dry-run --write-mapping`."""
    pipelines = {
        pipeline.label: [
            {"name": stage.label, "outcome": "won" if stage.is_won else "lost"}
            if stage.is_closed
            else {"name": stage.label, "probability": float(stage.probability)}
            for stage in pipeline.stages
        ]
        for pipeline in company.pipelines
    }
    said = {"columns": _COLUMNS, "pipelines": pipelines}
    return yaml.safe_dump(said, allow_unicode=True, sort_keys=False)


@contextmanager
def simulated(crm: DemoCrm, company: Company, clock: Clock, home: Path) -> Iterator[Simulation]:
    """The company in that CRM, for as long as the block runs."""
    if crm is DemoCrm.FILE:
        yield _Exported(Crm(company, clock, Behaviour()), home)
    elif crm is DemoCrm.PIPEDRIVE:
        premium = PipedriveBehaviour(plan="premium")
        with serve_pipedrive(company, clock=clock, behaviour=premium) as pipedrive:
            yield _Served("pipedrive", "PIPEDRIVE_TOKEN", pipedrive)
    else:
        with serve(company, clock=clock) as hubspot:
            yield _Served("hubspot", "HUBSPOT_TOKEN", hubspot)
