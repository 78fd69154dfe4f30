"""The simulated CRMs, served for trying things out: sandbox."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sync.clock import SystemClock
from sync.errors import ConfigError
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.changelog_file import read_changelog
from sync.sandbox.company import Company
from sync.sandbox.deals_file import read_company
from sync.sandbox.generator import generate
from sync.sandbox.server import (
    PipedriveBehaviour,
    PipedriveSandbox,
    Sandbox,
    serve,
    serve_pipedrive,
)


class SimulatedCrm(StrEnum):
    HUBSPOT = "hubspot"
    PIPEDRIVE = "pipedrive"


def register(app: typer.Typer) -> None:
    app.command()(sandbox)


def sandbox(
    crm: Annotated[SimulatedCrm, typer.Option(help="Whose API it speaks.")] = SimulatedCrm.HUBSPOT,
    deals_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Fill it from a CSV of deals, or from a folder with a CRM's change log, instead "
            "of a generated company.",
        ),
    ] = None,
    deals: Annotated[int, typer.Option(help="Deals to generate.", min=1)] = 3000,
    leads: Annotated[int, typer.Option(help="Leads to generate.", min=0)] = 500,
    seed: Annotated[int, typer.Option(help="Another seed, another company.")] = 7,
    port: Annotated[
        int, typer.Option(help="Port on this machine; 0 = any free one.", min=0, max=65535)
    ] = 8788,
    index_lag: Annotated[
        float, typer.Option(help="How many seconds search lags behind, as HubSpot's does.", min=0)
    ] = 0,
) -> None:
    """Serve a simulated CRM that answers as HubSpot's or Pipedrive's API does, until Ctrl-C.

    Point dealpulse at it with `base_url` in the configuration. Play the salesperson by HTTP:
    POST /_sandbox/deals/ID/edit with {"dealstage": "..."} (HubSpot) or {"stage_id": 2} (Pipedrive).
    """
    if index_lag and crm is SimulatedCrm.PIPEDRIVE:
        raise ConfigError("--index-lag is for HubSpot only: Pipedrive's lists do not lag.")
    company = _company(deals_file, deals, leads, seed)
    console = Console(soft_wrap=True)
    try:
        served = _served(crm, company, port, index_lag)
    except OSError as error:
        raise ConfigError(
            f"The sandbox cannot listen on port {port}: {os.strerror(error.errno or 0)}. Choose "
            "another --port (0 = any free one), or end the program that uses it."
        ) from None
    with served as running:
        console.print(
            f"{company.name}: {len(company.deals):,} deals, {len(company.contacts):,} contacts\n"
            f"  address  {running.url}\n"
            f"  token    {running.token}    (made up; only this sandbox knows it)\n"
            f"In another terminal:\n"
            f"  {_how_to_go_on(crm, running)}\n"
            "Ctrl-C ends it; what was changed in it is gone then.",
            markup=False,
            highlight=False,
        )
        rejected = company.truth.get("rejected_rows") or company.truth.get("rejected")
        if rejected:
            console.print(f"Rows left out of the file: {rejected}", markup=False)
        running.wait()


def _served(
    crm: SimulatedCrm, company: Company, port: int, index_lag: float
) -> Sandbox | PipedriveSandbox:
    clock = SystemClock()
    if crm is SimulatedCrm.PIPEDRIVE:
        plan = PipedriveBehaviour(plan="premium")
        return serve_pipedrive(company, clock=clock, port=port, behaviour=plan)
    return serve(company, clock=clock, port=port, behaviour=Behaviour(index_lag_s=index_lag))


def _how_to_go_on(crm: SimulatedCrm, running: Sandbox | PipedriveSandbox) -> str:
    if crm is SimulatedCrm.HUBSPOT:
        return (
            f"export HUBSPOT_TOKEN={running.token}\n"
            f"  dealpulse init --base-url {running.url} && dealpulse sync"
        )
    return (
        f"export PIPEDRIVE_TOKEN={running.token}\n"
        f"  dealpulse sync, with this connection in dealpulse.yaml:\n"
        f"    connections:\n"
        f"      - kind: pipedrive\n"
        f"        name: main\n"
        f"        base_url: {running.url}"
    )


def _company(deals_file: Path | None, deals: int, leads: int, seed: int) -> Company:
    if deals_file is not None and deals_file.is_dir():
        return read_changelog(deals_file)
    if deals_file is not None:
        return read_company(deals_file)
    return generate(seed=seed, until=SystemClock().now(), years=3, deals=deals, leads=leads)
