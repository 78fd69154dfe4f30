"""A generated company's leads in Pipedrive, from the first cycle to what people see."""

import json
from pathlib import Path
from typing import Any

from sync.jobs import chain
from sync.sandbox.generator import generate
from sync.sandbox.server import serve_pipedrive
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock


def test_a_pipedrive_account_has_a_funnel_and_knows_who_waits(
    tmp_path: Path, postgres_or_sqlite: str, clock: FakeClock
) -> None:
    company = generate(seed=7, until=clock.now(), years=1, deals=60, leads=120)
    with serve_pipedrive(company, clock=clock) as sandbox:
        settings: dict[str, Any] = {
            "kind": "pipedrive",
            "write_back": {"enabled": False},
            "leads": {"enabled": True},
        }
        installation = Installation(
            tmp_path,
            sandbox.url,
            sandbox.token,
            postgres_or_sqlite,
            connection=settings,
            secrets={"PIPEDRIVE_TOKEN": sandbox.token},
        ).write()
        with installation.app(clock) as app:
            results = run_jobs(app)
            (connection,) = app.config.connections
            tried = {check.what: check.ok for check in app.connected(connection).source.check()}
            assert {tried.get(what) for what in ("leads", "archived leads", "persons")} == {True}
        crm = sandbox.crm
        sold = [deal for deal in crm.deals if deal.source_lead_id]
    assert results[chain.LEADS.name].counts["leads"] == len(company.contacts) == 120

    def shown(*command: str) -> dict[str, Any]:
        done = installation.run(*command, "--format", "json")
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)[-1]
        return report

    funnel = shown("funnel")
    stages = {row["stage"]: row for row in funnel["rows"]}
    assert stages["lead"]["entered"] == 120
    assert stages["lead"]["went_on"] >= stages["opportunity"]["entered"] == len(sold) > 5
    assert stages["customer"]["entered"] == sum(deal.status == "won" for deal in sold) > 0
    assert funnel["left_out"]["past_not_known"] == 120
    untouched = {row["lead_id"] for row in shown("leads", "--untouched")["rows"]}
    waiting = {lead.id for lead in crm.inbox.listed(archived=False)}
    called = {a.lead_id for a in crm.activities} - {None}
    assert waiting - called <= untouched
    assert not untouched & called
    assert shown("leads", "--scores")["rows"]
