"""The CRMs that the contract suite runs for; a new one is added here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import CompanyContact
from sync.sandbox.server import PipedriveBehaviour, serve, serve_pipedrive
from tests.contract.world import World, company
from tests.contract.world_of_files import FileWorld
from tests.contract.worlds_over_http import HubSpotWorld, PipedriveWorld
from tests.fake_clock import FakeClock


@contextmanager
def world_of(
    kind: str,
    home: Path,
    clock: FakeClock,
    *,
    deals: int,
    name: str | None = None,
    contacts: Sequence[CompanyContact] = (),
) -> Iterator[World]:
    """A world with so many deals; its server, if it has one, runs inside the block. contacts: for
    those that have leads.
    """
    name = name or kind
    known = company(deals)
    known.contacts = list(contacts)
    with ExitStack() as stack:
        if kind == "hubspot":
            hubspot = serve(known, clock=clock, behaviour=Behaviour(rate_limit=None))
            yield HubSpotWorld(home, clock, name, stack.enter_context(hubspot))
        elif kind == "pipedrive":
            roomy = PipedriveBehaviour(daily_budget=10_000_000, bursts=False)
            pipedrive = serve_pipedrive(known, clock=clock, behaviour=roomy)
            yield PipedriveWorld(home, clock, name, stack.enter_context(pipedrive))
        else:
            yield FileWorld(home, clock, name, deals)


KINDS = ("hubspot", "pipedrive", "file")
WITH_LEADS = ("hubspot", "pipedrive")
Open = Callable[..., World]
