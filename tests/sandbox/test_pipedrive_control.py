"""Faults, control addresses, loading and salespeople of the simulated Pipedrive."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import requests

from sync.sandbox.company import Event
from sync.sandbox.generator import generate
from sync.sandbox.salespeople import perform, plan_edits
from sync.sandbox.server import PipedriveBehaviour, serve_pipedrive
from tests.fake_clock import START, FakeClock
from tests.sandbox.conftest import CREATED, PipedriveClient, StartPipedrive, deal

DEALS = "/api/v2/deals"


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("html_502", 502, "text/html"),
        ("timeout_524", 524, "text/html"),
        ("cloudflare_403", 403, "text/html"),
        ("forbidden_403", 403, "application/json"),
        ("payment_402", 402, "application/json"),
        ("maintenance_503", 503, "application/json"),
        ("server_500", 500, "application/json"),
        ("rate_limited_429", 429, "application/json"),
        ("daily_limit_429", 429, "application/json"),
    ],
)
def test_an_answer_instead_of_the_work(
    pipedrive: StartPipedrive, kind: Any, status: int, content: str
) -> None:
    client = pipedrive()
    client.sandbox.faults.add(kind, path_contains="/deals/1")
    response = client.patch("1", value=7)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(content)
    assert client.crm.deal("1")["value"] == 1000
    assert client.sandbox.ledger.total == 0
    assert client.patch("1", value=7).status_code == 200


def test_the_two_429s_are_told_apart_by_headers(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    for kind, left, today in (("rate_limited_429", "0", None), ("daily_limit_429", "19", "0")):
        client.sandbox.faults.add(kind)  # type: ignore[arg-type]
        headers = client.get(DEALS).headers
        assert headers["x-ratelimit-remaining"] == left
        assert headers.get("x-daily-ratelimit-token-remaining") == today


def test_a_good_answer_that_is_null(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.sandbox.faults.add("null_200")
    response = client.patch("1", value=7)
    assert (response.status_code, response.json()) == (200, None)
    assert client.crm.deal("1")["value"] == 7


def test_an_answer_lost_after_the_work_makes_a_second_deal_of_a_second_try(
    pipedrive: StartPipedrive,
) -> None:
    client = pipedrive()
    client.sandbox.faults.add("reset_after_commit", method="POST")
    with pytest.raises(requests.ConnectionError):
        client.send("POST", DEALS, json={"title": "Once"})
    client.send("POST", DEALS, json={"title": "Once"})
    assert [d["title"] for d in client.walk(DEALS)].count("Once") == 2


def test_faults_of_another_crm_are_refused(pipedrive: StartPipedrive) -> None:
    with pytest.raises(ValueError, match="migration_477"):
        pipedrive().sandbox.faults.add("migration_477")


def test_salespeople_work_from_another_process(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    url = client.sandbox.url + "/_sandbox"

    def post(path: str, body: Any = None) -> requests.Response:
        return requests.post(url + path, json=body, timeout=10)

    assert post("/deals/1/edit", {"value": 7}).json()["value"] == 7
    assert post("/deals/1/move", {"stage": "propose"}).json()["stage_id"] == 2
    assert post("/deals/1/lose", {"reason": "Price"}).json()["lost_reason"] == "Price"
    assert post("/deals/1/reopen").json()["status"] == "open"
    assert post("/deals/1/win").json()["status"] == "won"
    assert post("/deals/1/archive").json()["is_archived"] is True
    assert post("/deals/1/win").status_code == 409
    assert post("/deals/1/unarchive").json()["is_archived"] is False
    assert post("/deals/2/delete").json()["is_deleted"] is True
    assert post("/deals/2/restore").json()["is_deleted"] is False
    assert post("/deals/2/activity").status_code == 200
    assert post("/deals/1/merge", {"loser": 2}).json() == {"id": "1"}
    assert post("/deals/1/edit", {"nonsense": 7}).status_code == 400
    assert post("/deals/77/win").status_code == 404
    assert requests.get(url + "/deals/1", timeout=10).json() == client.crm.deal("1")
    assert requests.get(url + "/truth", timeout=10).json() == {"win_rate": 0.3}
    assert len(client.sandbox.requests) == 0
    client.get(DEALS)
    ledger = requests.get(url + "/ledger", timeout=10).json()
    assert (ledger["used_today"], ledger["remaining"]) == (10, 29_990)
    assert requests.get(url + "/requests", timeout=10).json()[0]["path"] == DEALS


def test_a_deal_can_be_restored_after_a_merge(pipedrive: StartPipedrive) -> None:
    client = pipedrive()
    client.crm.merge("1", "2")
    client.crm.restore("2")
    assert client.crm.deal_ids() == ["1", "2", "3"]


def test_a_generated_company_is_what_the_api_shows() -> None:
    clock = FakeClock()
    company = generate(seed=11, until=START, years=2, deals=300)
    wide = PipedriveBehaviour(bursts=False)
    with serve_pipedrive(company, clock=clock, behaviour=wide) as sandbox:
        client = PipedriveClient(sandbox, clock)
        rows = {row["id"]: row for row in client.walk(DEALS, limit=500)}
        activities = client.walk("/api/v2/activities", limit=500)
        client.session.close()
    crm = sandbox.crm
    closed = {s.id: s.is_won for p in company.pipelines for s in p.stages if s.is_closed}
    stages = {s.id for p in company.pipelines for s in p.stages}
    deleted = max(crm.pipelines.stages)
    assert crm.pipelines.stage(deleted).is_deleted
    for source in company.deals:
        if source.archived_at is not None:
            continue
        last = {event.field: event.value for event in source.events}
        row = rows.pop(int(crm.id_of(source.key)))
        stage = last["stage"] or ""
        status = {True: "won", False: "lost", None: "open"}[closed.get(stage)]
        assert row["status"] == status
        if status == "open":
            gone = stage not in stages
            assert row["stage_id"] == (deleted if gone else crm.stage_id(stage))
        assert Decimal(str(row["value"])) == Decimal(last.get("amount") or 0)
        assert row["currency"] == (last.get("currency") or "NOK")
        owner = last.get("owner")
        assert row["owner_id"] == (crm.user_id(owner) if owner else crm.users.admin.id)
    assert rows == {}
    planned = sum(d.next_activity_at is not None for d in company.deals)
    assert sum(not a["done"] for a in activities) == planned
    assert sum(a["done"] for a in activities) == sum(len(d.activities) for d in company.deals)


def test_stage_history_can_be_rebuilt_from_the_changelog() -> None:
    company = generate(seed=5, until=START, years=1, deals=120)
    with serve_pipedrive(company, clock=FakeClock()) as sandbox:
        crm = sandbox.crm
    stages = [stage for pipeline in company.pipelines for stage in pipeline.stages]
    names = {crm.stage_id(stage.id): stage.id for stage in stages if not stage.is_closed}
    closed = {stage.id for stage in stages if stage.is_closed}
    for source in company.deals:
        moves = [e.value for e in source.events if e.field == "stage" and e.value not in closed]
        entered = [
            moves[0],
            *(new for old, new in pairwise(moves) if new != old),
        ]
        rows = crm.history(crm.id_of(source.key), "stage_id")
        shown = [
            # a stage deleted since has its id in the company as its name
            names.get(int(row["new_value"])) or crm.pipelines.stage(row["new_value"]).name
            for row in rows
        ]
        assert [entered[0], *shown] == entered
        for earlier, later in pairwise(rows):
            assert earlier["new_value"] == later["old_value"]


def test_a_deal_already_closed_when_it_was_entered(pipedrive: StartPipedrive) -> None:
    client = pipedrive(deal("a", stage="closedwon"))
    (row,) = client.data(DEALS)
    assert (row["status"], row["stage_id"], row["won_time"]) == ("won", 1, row["add_time"])


def test_a_deleted_deal_of_the_company(pipedrive: StartPipedrive) -> None:
    gone = datetime(2026, 3, 10, tzinfo=UTC)
    client = pipedrive(deal("a", archived_at=gone), deal("b", archived_at=CREATED))
    assert [row["id"] for row in client.data(DEALS, status="deleted")] == [1]
    assert client.crm.deleted_ids() == ["1"]


def test_salespeople_plan_and_work_as_they_do_elsewhere() -> None:
    clock = FakeClock()
    company = generate(seed=7, until=START, years=2, deals=400)
    with serve_pipedrive(company, clock=clock) as sandbox:
        clock.advance(minutes=5)
        edits = plan_edits(sandbox.desk, seed=7)
        before = {edit.kind: sandbox.crm.deal(edit.deal_id) for edit in edits}
        after = {
            edit.kind: sandbox.crm.deal(deal_id)
            for edit, deal_id in zip(edits, perform(sandbox.desk, edits), strict=True)
        }
    assert set(after) == {"merged", "won", "moved", "raised", "pushed", "archived", "touched"}
    assert after["won"]["status"] == "won"
    assert after["moved"]["stage_id"] != before["moved"]["stage_id"]
    assert after["raised"]["value"] == pytest.approx(before["raised"]["value"] * 1.2)
    assert after["pushed"]["expected_close_date"] > before["pushed"]["expected_close_date"]
    assert after["archived"]["is_deleted"] is True
    assert {deal["update_time"] for deal in after.values()} == {"2026-03-16T09:05:00Z"}


def test_events_of_one_instant_keep_their_order(pipedrive: StartPipedrive) -> None:
    at = CREATED + timedelta(days=3)
    moves = [Event(at, "stage", name) for name in ("propose", "qualify", "propose")]
    client = pipedrive(deal("a", *moves))
    rows = client.data("/api/v1/deals/1/changelog")[:3]
    assert [(r["old_value"], r["new_value"]) for r in rows] == [("1", "2"), ("2", "1"), ("1", "2")]
