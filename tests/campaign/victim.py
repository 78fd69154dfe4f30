"""`python -m tests.campaign.victim CONFIG NOW STEPS DESK JOB...`: runs the jobs at that instant and
kills itself with SIGKILL at that step."""

import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sync.bootstrap import open_app
from sync.jobs import chain
from sync.jobs.runner import Job, run_chain
from tests.campaign.desk import Desk
from tests.campaign.mortal import kill_this_process, mortal
from tests.fake_clock import FakeClock

JOBS = {
    job.name: job
    for job in (
        chain.PULL,
        chain.ASSESS,
        chain.WRITE_BACK,
        chain.RAISE_ALERTS,
        chain.DELIVER_ALERTS,
        chain.SWEEP,
    )
}


def main(config: str, now: str, steps: str, desk: str, *names: str) -> None:
    clock = FakeClock(datetime.fromisoformat(now))
    with open_app(Path(config), environ=os.environ, clock=clock) as app:
        (settings,) = app.config.connections
        context = app.context(settings, allow_mass_change=True, allow_mass_alert=True)
        jobs: list[Job] = [JOBS[name] for name in names]
        with mortal(app.engine, int(steps), kill_this_process):
            run_chain(jobs, replace(context, channels=[Desk(Path(desk))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
