"""The simulated Pipedrive as a real HTTP server."""

from sync.clock import Clock, SystemClock
from sync.sandbox.company import Company
from sync.sandbox.faults import COMMON, PIPEDRIVE_ONLY, Faults
from sync.sandbox.gate import Gate
from sync.sandbox.hosting import Hosted
from sync.sandbox.pipedrive.app import Api
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.control import PipedriveControl
from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.desk import PipedriveDesk
from sync.sandbox.pipedrive.ledger import Ledger
from sync.sandbox.pipedrive.refusals import refusal


class PipedriveSandbox(Hosted):
    """Serves while its `with` block runs. `token`: an administrator's API token.

    `ledger`: what the calls cost. `desk`: for `salespeople.plan_edits` and `perform`. For OAuth,
    `crm.tokens` has the client and makes grants.
    """

    def __init__(
        self, company: Company, clock: Clock, host: str, port: int, behaviour: PipedriveBehaviour
    ) -> None:
        self.crm = PipedriveCrm(company, clock, behaviour)
        self.desk = PipedriveDesk(self.crm)
        self.faults = Faults(COMMON + PIPEDRIVE_ONLY)
        self.ledger = Ledger(behaviour, clock)
        self.token = self.crm.tokens.add()
        control = PipedriveControl(self.crm, self.faults, self.ledger, lambda: self.requests)
        gate = Gate(
            Api(self.crm, self.ledger).starlette(),
            control.starlette(),
            self.faults,
            refusal=refusal,
            clock=clock,
            url_limit=behaviour.url_limit,
        )
        super().__init__(gate, host, port)


def serve_pipedrive(
    company: Company,
    *,
    clock: Clock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    behaviour: PipedriveBehaviour | None = None,
) -> PipedriveSandbox:
    """A Pipedrive filled from `company`; a context manager. Port 0 = a free one.

    Raises OSError where the port is taken.
    """
    chosen = behaviour or PipedriveBehaviour()
    return PipedriveSandbox(company, clock or SystemClock(), host, port, chosen)
