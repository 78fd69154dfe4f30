"""Files of deals pass through the simulated CRM's API and stand in the mirror as they were."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from sync.jobs import chain
from sync.mirror import schema
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company
from sync.sandbox.deals_file import read_company
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True)
class Row:
    """A deal as the file says it, read here without the product's own reader."""

    status: str
    amount: Decimal | None
    created_at: datetime
    closed_at: datetime | None


def instant(text: str) -> datetime | None:
    """To the millisecond, which is as fine as the CRM's own clock."""
    if not text:
        return None
    value = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def canonical(path: Path) -> dict[str, Row]:
    rows = {}
    for row in _lines(path):
        known_while_open = row["amount_open"] if row["status"] == "open" else ""
        amount = known_while_open or row["amount"] or row["amount_open"]
        created = instant(row["created_at"])
        assert created is not None
        closed = instant(row["closed_at"]) if row["status"] != "open" else None
        rows[row["id"]] = Row(row["status"], Decimal(amount) if amount else None, created, closed)
    return rows


def olga(path: Path) -> dict[str, Row]:
    rows = {}
    for row in _lines(path):
        closed = row["is_closed"] == "True"
        status = "open" if not closed else "won" if row["is_won"] == "True" else "lost"
        created = instant(row["created_date"])
        assert created is not None
        rows[row["opportunity_id"]] = Row(
            status,
            Decimal(row["amount"]) if row["amount"] else None,
            created,
            instant(row["close_date"]) if closed else None,
        )
    return rows


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.mark.parametrize(
    ("path", "read"),
    [
        (FIXTURES / "olga" / "opportunities.csv.gz", olga),
        (SHARED / "bpic2012" / "deals.csv.gz", canonical),
        (SHARED / "maven" / "deals.csv.gz", canonical),
    ],
    ids=["olga", "bpic2012", "maven"],
)
def test_the_mirror_equals_the_file_deal_by_deal(
    path: Path, read, tmp_path: Path, database_url: str, clock: FakeClock
) -> None:
    if not path.exists():
        pytest.skip(f"{path} is not here: this data does not come with the repository")
    company = read_company(path)
    expected = read(path)
    with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as sandbox:
        installation = Installation(tmp_path, sandbox.url, sandbox.token, database_url).write()
        with installation.app(clock) as app:
            run_jobs(app, chain.PULL)
            with app.engine.connect() as database:
                rows = database.execute(select(schema.deal)).mappings().all()
                last_stage = _last_stage(company)
                by_name = {row["name"].split(" ")[0]: row for row in rows}

    assert len(rows) == len(expected) == len(by_name)
    mirrored = {
        name: Row(row["status"], row["amount"], row["created_at"], row["closed_at"])
        for name, row in by_name.items()
    }
    differing = {k: (expected[k], mirrored.get(k)) for k in expected if expected[k] != mirrored[k]}
    assert not differing, f"{len(differing)} differ, such as {list(differing.items())[:3]}"

    assert {name: row["stage_id"] for name, row in by_name.items()} == last_stage
    sums: Counter[tuple[str, str]] = Counter()
    for name, row in by_name.items():
        sums[row["stage_id"], row["status"]] += row["amount"] or 0
        sums[last_stage[name], expected[name].status] -= expected[name].amount or 0
    assert not any(sums.values())


def _last_stage(company: Company) -> dict[str, str | None]:
    return {
        deal.key: next(e.value for e in reversed(deal.events) if e.field == "stage")
        for deal in company.deals
    }
