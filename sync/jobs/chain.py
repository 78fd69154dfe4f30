"""The jobs in their order: each finds its input in the mirror, where the one before left it."""

from collections.abc import Sequence

from sync.config.model import ApiConnection, Connection, HubSpotConnection
from sync.jobs import backtest
from sync.jobs.alert import deliver_alerts, raise_alerts, retry_alerts
from sync.jobs.assess import assess
from sync.jobs.funnel import measure_funnel
from sync.jobs.lead_alert import raise_lead_alerts
from sync.jobs.lead_score import score_leads
from sync.jobs.lead_write_back import write_back_leads
from sync.jobs.leads import pull_leads
from sync.jobs.process import measure_process
from sync.jobs.pull import pull
from sync.jobs.runner import Job
from sync.jobs.sweep import sweep
from sync.jobs.write_back import write_back

PULL = Job("pull", pull)
ASSESS = Job("assess", assess)
PROCESS = Job("process", measure_process)
WRITE_BACK = Job("write_back", write_back)
RAISE_ALERTS = Job("raise_alerts", raise_alerts)
RETRY_ALERTS = Job("retry_alerts", retry_alerts)
LEADS = Job("leads", pull_leads)
FUNNEL = Job("funnel", measure_funnel)
LEAD_SCORE = Job("lead_score", score_leads)
LEAD_WRITE_BACK = Job("lead_write_back", write_back_leads)
LEAD_ALERTS = Job("raise_lead_alerts", raise_lead_alerts)
DELIVER_ALERTS = Job("deliver_alerts", deliver_alerts)
BACKTEST = Job("backtest", backtest.run)
SWEEP = Job("sweep", sweep)


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
