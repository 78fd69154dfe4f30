"""The jobs in their order: each finds its input in the mirror, where the one before left it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

from sync.config.model import ApiConnection, Connection, HubSpotConnection
from sync.jobs.context import Counts, JobContext
from sync.jobs.runner import Job, JobFunction


@dataclass(frozen=True, slots=True)
class Deferred:
    """A job's function, as `module:name` of `sync.jobs`. It is imported when the job first runs, so
    that a process that only pulls never holds what calculations need.
    """

    where: str

    @property
    def function(self) -> JobFunction:
        found: JobFunction = resolve_name(f"sync.jobs.{self.where}")
        return found

    def __call__(self, ctx: JobContext, run_id: int) -> Counts:
        return self.function(ctx, run_id)


PULL = Job("pull", Deferred("pull:pull"))
ASSESS = Job("assess", Deferred("assess:assess"))
PROCESS = Job("process", Deferred("process:measure_process"))
WRITE_BACK = Job("write_back", Deferred("write_back:write_back"))
RAISE_ALERTS = Job("raise_alerts", Deferred("alert:raise_alerts"))
RETRY_ALERTS = Job("retry_alerts", Deferred("alert:retry_alerts"))
LEADS = Job("leads", Deferred("leads:pull_leads"))
FUNNEL = Job("funnel", Deferred("funnel:measure_funnel"))
LEAD_SCORE = Job("lead_score", Deferred("lead_score:score_leads"))
LEAD_WRITE_BACK = Job("lead_write_back", Deferred("lead_write_back:write_back_leads"))
LEAD_ALERTS = Job("raise_lead_alerts", Deferred("lead_alert:raise_lead_alerts"))
DELIVER_ALERTS = Job("deliver_alerts", Deferred("alert:deliver_alerts"))
BACKTEST = Job("backtest", Deferred("backtest:run"))
SWEEP = Job("sweep", Deferred("sweep:sweep"))


def cycle(settings: Connection) -> Sequence[Job]:
    """What runs every few minutes for one connection; write-back and leads only where they are
    switched on. Leads come last: what is wrong with them stops nothing of the deals.
    """
    write = [WRITE_BACK] if settings.write_back.enabled else []
    deals = [PULL, ASSESS, PROCESS, *write, RAISE_ALERTS, RETRY_ALERTS]
    return [*deals, *leads_cycle(settings)]


def leads_cycle(settings: Connection) -> Sequence[Job]:
    if not isinstance(settings, ApiConnection) or not settings.leads.enabled:
        return []
    writes = isinstance(settings, HubSpotConnection) and settings.leads.write_back
    return [LEADS, FUNNEL, LEAD_SCORE, *([LEAD_WRITE_BACK] if writes else []), LEAD_ALERTS]


def telling(settings: Connection) -> Sequence[Job]:
    """What raises alerts and delivers them."""
    of_leads = [job for job in leads_cycle(settings) if job is LEAD_ALERTS]
    return [RAISE_ALERTS, *of_leads, DELIVER_ALERTS]


def writing(settings: Connection) -> Sequence[Job]:
    """What writes to the CRM, of what is switched on."""
    return [job for job in cycle(settings) if job in (WRITE_BACK, LEAD_WRITE_BACK)]
