"""The jobs in their order: each finds its input in the mirror, where the one before left it."""

from collections.abc import Sequence

from sync.config.model import Connection, HubSpotConnection
from sync.jobs import backtest
from sync.jobs.alert import deliver_alerts, raise_alerts, retry_alerts
from sync.jobs.assess import assess
from sync.jobs.funnel import measure_funnel
from sync.jobs.lead_score import score_leads
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
DELIVER_ALERTS = Job("deliver_alerts", deliver_alerts)
BACKTEST = Job("backtest", backtest.run)
SWEEP = Job("sweep", sweep)


def cycle(settings: Connection) -> Sequence[Job]:
    """What runs every few minutes for one connection; write-back and leads only where they are
    switched on. Leads come last: what is wrong with them stops nothing of the deals.
    """
    write = [WRITE_BACK] if settings.write_back.enabled else []
    with_leads = isinstance(settings, HubSpotConnection) and settings.leads.enabled
    leads = [LEADS, FUNNEL, LEAD_SCORE] if with_leads else []
    return [PULL, ASSESS, PROCESS, *write, RAISE_ALERTS, RETRY_ALERTS, *leads]
