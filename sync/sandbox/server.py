"""The simulated CRMs as real HTTP servers."""

from sync.clock import Clock, SystemClock
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.control import Control
from sync.sandbox.crm import Crm
from sync.sandbox.faults import Faults
from sync.sandbox.gate import Gate
from sync.sandbox.hosting import Hosted
from sync.sandbox.hubspot.app import Api
from sync.sandbox.hubspot.refusals import refusal
from sync.sandbox.limits import Limits
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.server import PipedriveSandbox, serve_pipedrive
from sync.sandbox.request_log import RequestLog

__all__ = [
    "Behaviour",
    "PipedriveBehaviour",
    "PipedriveSandbox",
    "RequestLog",
    "Sandbox",
    "serve",
    "serve_pipedrive",
]


class Sandbox(Hosted):
    """A simulated HubSpot; serves while its `with` block runs. `token` has every scope.

    `desk`: for `salespeople.plan_edits` and `perform`.
    """

    def __init__(
        self, company: Company, clock: Clock, host: str, port: int, behaviour: Behaviour
    ) -> None:
        self.crm = self.desk = Crm(company, clock, behaviour)
        self.faults = Faults()
        self.token = self.crm.tokens.add().value
        limits = Limits(behaviour, clock, company.time_zone, self.crm.portal_id)
        control = Control(self.crm, self.faults, lambda: self.requests)
        gate = Gate(
            Api(self.crm, limits).starlette(),
            control.starlette(),
            self.faults,
            refusal=refusal,
            clock=clock,
            url_limit=behaviour.url_limit,
        )
        super().__init__(gate, host, port)


def serve(
    company: Company,
    *,
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    behaviour: Behaviour | None = None,
) -> Sandbox:
    """A HubSpot filled from `company`; a context manager. Port 0 = a free one.

    Raises OSError where the port is taken.
    """
    return Sandbox(company, clock or SystemClock(), host, port, behaviour or Behaviour())
