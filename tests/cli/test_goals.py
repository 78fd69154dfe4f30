"""`dealpulse goals` on a pulled account: quotas from configuration and file, and refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from sync.cli.main import app
from sync.errors import ConfigError
from sync.mirror.engine import open_engine, reading
from sync.mirror.schema import owner
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock

QUARTER = f"{START.year}-Q{(START.month + 2) // 3}"
GOALS = {
    "goals": {
        "pacing": "linear",
        "quotas": [
            {"period": QUARTER, "amount": 9_000_000},
            {"period": f"FY{START.year}", "amount": 40_000_000},
            {"period": QUARTER, "amount": 1000, "currency": "THB"},
            {"period": QUARTER, "amount": 500_000, "who": "owner nobody@example.com"},
        ],
    }
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("goals")
    clock = FakeClock(START)
    with serve(generate(seed=5, until=START, years=1, deals=250), clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        extra: dict[str, object] = {**GOALS}
        installed = Installation(
            home, sandbox.url, sandbox.token, url, write_back=False, extra=extra
        ).write()
        with installed.app(clock) as opened:
            run_jobs(opened)
        yield installed


@pytest.fixture(scope="module")
def people(installation: Installation) -> list[tuple[str, str, str | None]]:
    engine = open_engine(installation.database_url)
    with reading(engine) as snapshot:
        rows = snapshot.execute(select(owner.c.owner_id, owner.c.name, owner.c.email)).all()
    engine.dispose()
    return [tuple(row) for row in rows]


def asked(installation: Installation, *arguments: str) -> Any:
    runner = CliRunner(env={**installation.environ, "DEALPULSE_CONFIG": str(installation.config)})
    return runner.invoke(app, ["goals", *arguments])


def shown(installation: Installation, *arguments: str) -> dict[str, Any]:
    done = asked(installation, *arguments, "--format", "json")
    assert done.exception is None, done.exception
    (report,) = json.loads(done.stdout)
    return dict(report)


def test_configured_goals_with_their_basis(installation: Installation) -> None:
    report = shown(installation)
    for said in ("definition", "as_of", "currency", "pacing", "sample", "left_out"):
        assert said in report
    rows = {
        (row["kind"], row["segment"], row["period"]): row
        for row in report["rows"]
        if row["won"] is not None
    }
    quarter = rows["total", "everyone", f"FY{QUARTER}"]
    assert quarter["gap"] == pytest.approx(quarter["quota"] - quarter["won"])
    assert 0 <= quarter["probability"] <= 1
    assert rows["total", "everyone", f"FY{START.year}"]["won"] >= quarter["won"]


def test_an_unknown_owner_and_a_missing_rate_are_named(installation: Installation) -> None:
    notes = {row["segment"]: row["note"] for row in shown(installation)["rows"] if row["note"]}
    assert notes["nobody@example.com"] == "no such owner in the CRM"
    told = [row for row in shown(installation)["rows"] if "THB" in row["note"]]
    assert told
    assert told[0]["note"] == "no exchange rate from THB: set exchange_rates"
    assert told[0]["won"] is None


def test_quotas_from_a_file_by_name_and_email_with_rollups(
    installation: Installation, people: list[tuple[str, str, str | None]], tmp_path: Path
) -> None:
    (first, second), file = people[:2], tmp_path / "quotas.csv"
    file.write_text(
        f"owner;period;amount\n{first[1]};2027-Q1;1 000 000\n{second[2]};2027-Q1;500000\n",
        encoding="utf-8",
    )
    tried = asked(installation, "import", str(file), "--dry-run")
    assert "2 rows understood, 0 wrong" in tried.stdout
    refused = asked(installation, "--period", "2027-Q1")
    assert refused.exception is None
    assert "No goal is of this time" in refused.stdout
    assert asked(installation, "import", str(file)).exception is None
    rows = shown(installation, "--period", "2027-Q1")["rows"]
    assert {row["segment"] for row in rows if row["kind"] == "owner"} == {first[1], second[1]}
    (total,) = [row for row in rows if row["kind"] == "total"]
    assert (total["quota"], total["source"]) == (1_500_000, "sum")
    assert "not begun" in total["note"]


def test_a_file_with_a_wrong_row_is_taken_in_by_none(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "quotas.csv"
    file.write_text("team,period,amount\nNorth,2028-Q1,5\nNorth,soon,5\n", encoding="utf-8")
    before = shown(installation, "--all")["rows"]
    tried = asked(installation, "import", str(file), "--dry-run")
    assert "1 rows understood, 1 wrong" in " ".join(tried.stdout.split())
    error = asked(installation, "import", str(file)).exception
    assert isinstance(error, ConfigError)
    assert "Nothing was imported: 1 rows are wrong, first line 3: 'soon' is no period" in str(error)
    assert shown(installation, "--all")["rows"] == before


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), (b"period;amount\n\xe6;1\n", "is not UTF-8"), (b"", "no column"),
     (b"period,amount\n", "has no rows"),
     (b"period,amount\n2026," + b"9" * 200_000, "larger than field limit")],
)  # fmt: skip
def test_files_that_cannot_be_read(
    installation: Installation, tmp_path: Path, content: bytes | None, told: str
) -> None:
    file = tmp_path / "quotas.csv"
    if content is not None:
        file.write_bytes(content)
    error = asked(installation, "import", str(file), "--dry-run").exception
    assert isinstance(error, ConfigError)
    assert told in str(error)


def test_a_period_that_is_none(installation: Installation) -> None:
    error = asked(installation, "--period", "soon").exception
    assert isinstance(error, ConfigError)
    assert "--period: 'soon' is no period" in str(error)
