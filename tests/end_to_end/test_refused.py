"""What the CRM does not let in stops nothing else, and is told: exit code 7, which, what to do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.alerts.http_server import Webhook, serve
from tests.contract.worlds import world_of
from tests.contract.worlds_over_http import HttpWorld, HubSpotWorld
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock


@pytest.fixture(params=["hubspot", "pipedrive"])
def world(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[HttpWorld]:
    with world_of(request.param, tmp_path, clock, deals=12) as running:
        assert isinstance(running, HttpWorld)
        yield running


@pytest.fixture
def installation(world: HttpWorld, tmp_path: Path) -> Installation:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    sandbox = world.sandbox
    made = Installation(
        tmp_path, sandbox.url, sandbox.token, url, connection=world.settings, secrets=world.environ
    )
    return made.write()


def open_ids(world: HttpWorld) -> list[str]:
    return [deal_id for deal_id, deal in world.truth().items() if deal.status == "open"]


def refuse(world: HttpWorld) -> str:
    """From now on no program may change one of the open deals; its id."""
    if not isinstance(world, HubSpotWorld):
        refused = max(open_ids(world), key=int)  # no other deal's path begins with this one's
        world.faults.add("forbidden_403", -1, f"/deals/{refused}", "PATCH")
        return refused
    refused, *others = [i for i in open_ids(world) if world.truth()[i].stage == "sign"]
    for deal_id in others:
        world.crm.edit(deal_id, {"hs_next_step": "Call"})
    rules = {"sign": ("hs_next_step",)}
    world.crm.behaviour = replace(world.crm.behaviour, required_by_stage=rules)
    return refused


def let_in(world: HttpWorld, deal_id: str) -> None:
    world.faults.clear()
    if isinstance(world, HubSpotWorld):
        world.crm.edit(deal_id, {"hs_next_step": "Call"})
    else:
        world.rename(deal_id, "Mended")


def scored(world: HttpWorld) -> set[str]:
    """Deals that carry our score in the CRM."""
    found = set()
    for deal_id in world.living():
        deal = world.crm.deal(deal_id)  # type: ignore[attr-defined]
        ours = {name for name in deal if name.startswith("dealpulse_") and deal[name]}
        if ours or any(value is not None for value in (deal.get("custom_fields") or {}).values()):
            found.add(deal_id)
    return found


def test_refused_writes_are_named_and_the_others_are_made(
    installation: Installation, world: HttpWorld
) -> None:
    refused = refuse(world)
    assert installation.run("sync").returncode == 0
    for _ in range(2):  # it stays so while nothing is put right
        done = installation.run("writeback", "apply")
        assert done.returncode == 7, done.stderr
        (told,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert f"{world.name}: 1 record was refused, the others went through: deal {refused} (" in (
            told
        )
        assert "Put right in the CRM what it asks for" in told
        assert scored(world) == set(open_ids(world)) - {refused}
    let_in(world, refused)
    assert installation.run("backfill").returncode == 0
    done = installation.run("writeback", "apply")
    assert done.returncode == 0, done.stderr
    assert scored(world) == set(open_ids(world))


@pytest.mark.parametrize("world", ["pipedrive"], indirect=True)
def test_tasks_that_are_refused_are_named_and_the_others_are_made(
    installation: Installation, world: HttpWorld
) -> None:
    installation.extra = {"alerts": {"rules": ["stale"], "channels": [{"kind": "activity"}]}}
    installation.write()
    assert installation.run("sync").returncode == 0
    refused = open_ids(world)[0]
    world.archive(refused)  # since the pull: no task can be made on it
    done = installation.run("alerts", "send")
    assert done.returncode == 7, done.stderr
    assert f"1 record was refused, the others went through: the task on deal {refused} (" in (
        done.stderr
    )
    made = {r.path for r in world.sandbox.requests if r.method == "POST" and "activities" in r.path}
    assert made
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("world", ["hubspot"], indirect=True)
@pytest.mark.parametrize(("status", "code"), [(404, 5), (503, 4)])
def test_a_channel_that_is_gone_is_no_outage(
    installation: Installation, status: int, code: int
) -> None:
    channel = {"kind": "webhook", "url_env": "TEST_WEBHOOK_URL"}
    installation.extra = {"alerts": {"channels": [channel]}}
    with serve(Webhook(status=status)) as webhook:
        installation.secrets = {**installation.secrets, "TEST_WEBHOOK_URL": webhook.url}
        installation.write()
        assert installation.run("sync").returncode == 0
        sent = installation.run("alerts", "send")
    assert webhook.hits
    assert sent.returncode == code, sent.stderr
    assert "secretsecret" not in sent.stderr
