"""Each thing that can be wrong from the start: a message that says what to do, and an exit code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.generator import generate
from sync.sandbox.server import Sandbox, serve
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    clock = FakeClock()
    company = generate(seed=3, until=clock.now(), years=1, deals=60)
    with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as running:
        yield running


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path) -> Installation:
    url = f"sqlite:///{tmp_path / 'mirror.db'}"
    return Installation(tmp_path, sandbox.url, sandbox.token, url).write()


def test_no_configuration(installation: Installation) -> None:
    installation.config.unlink()
    result = installation.run("sync")
    assert result.returncode == 2
    assert "dealpulse init" in result.stderr


def test_an_unknown_key(installation: Installation) -> None:
    text = installation.config.read_text() + "scedule:\n  cycle_minutes: 5\n"
    installation.config.write_text(text)
    result = installation.run("sync")
    assert result.returncode == 2
    assert "scedule" in result.stderr
    assert "schedule" in result.stderr.replace("scedule", "")


def test_no_token(installation: Installation) -> None:
    installation.token = ""
    result = installation.run("sync")
    assert result.returncode == 2
    assert "HUBSPOT_TOKEN" in result.stderr


def test_a_wrong_token(installation: Installation, sandbox: Sandbox) -> None:
    installation.token = "pat-eu1-00000000-0000-0000-0000-000000000000"
    sandbox.requests.clear()
    result = installation.run("sync")
    assert result.returncode == 3
    assert "HUBSPOT_TOKEN" in result.stderr
    assert installation.token not in result.stderr + result.stdout
    assert len(sandbox.requests) == 1, "a refused token is not tried again"
    checked = installation.run("check")
    assert checked.returncode == 3
    assert "HUBSPOT_TOKEN" in checked.stderr


def test_a_missing_scope_is_named(installation: Installation, sandbox: Sandbox) -> None:
    installation.token = sandbox.crm.add_token({"oauth"})
    result = installation.run("sync")
    assert result.returncode == 3
    assert "crm.objects.deals.read" in result.stderr
    checked = installation.run("check")
    assert checked.returncode == 3
    assert "crm.objects.deals.read" in checked.stdout


def test_without_the_owners_scope_deals_still_come(
    installation: Installation, sandbox: Sandbox
) -> None:
    scopes = {
        "oauth",
        "crm.objects.deals.read",
        "crm.objects.deals.write",
        "crm.schemas.deals.read",
        "crm.schemas.deals.write",
    }
    installation.token = sandbox.crm.add_token(scopes)
    result = installation.run("sync")
    assert result.returncode == 0, result.stderr
    assert f"{len(sandbox.crm.deal_ids())} created" in result.stderr
    assert "crm.objects.owners.read" in result.stderr


def test_an_unreachable_database(installation: Installation) -> None:
    installation.database_url = "postgresql://someone:hunter2@127.0.0.1:9/dealpulse"
    result = installation.run("sync")
    assert result.returncode == 4
    assert "127.0.0.1" in result.stderr
    assert "hunter2" not in result.stderr + result.stdout


def test_an_empty_crm(tmp_path: Path) -> None:
    clock = FakeClock()
    full = generate(seed=3, until=clock.now(), years=1, deals=60)
    empty = Company(
        name="Empty AS",
        time_zone=full.time_zone,
        home_currency=full.home_currency,
        pipelines=full.pipelines,
        owners=full.owners,
        deals=[],
    )
    with serve(empty, clock=clock, behaviour=Behaviour(rate_limit=None)) as sandbox:
        url = f"sqlite:///{tmp_path / 'mirror.db'}"
        installation = Installation(tmp_path, sandbox.url, sandbox.token, url).write()
        once = installation.run("run", "--once")
        assert once.returncode == 0, once.stderr
        forecast = installation.run("forecast")
        assert forecast.returncode == 0, forecast.stderr
        quality = installation.run("quality")
        assert quality.returncode == 2
        assert "no open deal" in quality.stderr.lower()


def test_an_unreachable_crm(installation: Installation) -> None:
    installation.base_url = "http://127.0.0.1:9"
    installation.write()
    result = installation.run("sync")
    assert result.returncode == 4
    assert "127.0.0.1:9" in result.stderr


def test_write_back_that_is_off_writes_nothing(
    installation: Installation, sandbox: Sandbox
) -> None:
    installation.write_back = False
    installation.write()
    assert installation.run("sync").returncode == 0
    plan = installation.run("writeback", "plan")
    assert plan.returncode == 0, plan.stderr
    assert "win_probability" in plan.stdout
    sandbox.requests.clear()
    refused = installation.run("writeback", "apply")
    assert refused.returncode == 2
    assert "write_back.enabled" in refused.stderr
    once = installation.run("run", "--once")
    assert once.returncode == 0, once.stderr
    assert {r.method for r in sandbox.requests if not r.path.endswith(("search", "read"))} <= {
        "GET"
    }


def test_forecast_before_any_sync(installation: Installation) -> None:
    result = installation.run("forecast")
    assert result.returncode == 2
    assert "dealpulse sync" in result.stderr
