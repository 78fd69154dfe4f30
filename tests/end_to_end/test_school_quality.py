"""The defects of a school's raw export, found by the rules and counted by hand beside them."""

import csv
import gzip
import io
import os
import shutil
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from forecasting import quality
from forecasting.quality import Examined, QualitySettings
from sync.bootstrap import open_app
from sync.jobs import chain
from sync.jobs.inputs import read_inputs
from sync.jobs.runner import run_chain
from tests.fake_clock import FakeClock

SHARED = Path(__file__).parents[3] / "shared" / "data" / "it_school" / "deals_raw_2023.csv.gz"
NAME = "deals_raw_2023.csv"
NOW = datetime(2024, 1, 15, 9, 0, tzinfo=UTC)
OPEN_STAGES = (
    *("Need to Call - Sales", "Qualificated", "Test Sent", "Call Delayed"),
    *("Registered on Webinar", "Waiting For Payment"),
)
MAPPING = {
    "columns": {
        "id": "Id",
        "name": "Contact Name",
        "stage": "Stage",
        "amount": "Offer Total Amount",
        "closed_at": "Closing Date",
        "created_at": "Created Time",
        "owner": "Deal Owner Name",
        "loss_reason": "Lost Reason",
        "lead_source": "Source",
    },
    "stages": [
        *({"name": name} for name in OPEN_STAGES),
        {"name": "Payment Done", "outcome": "won"},
        {"name": "Lost", "outcome": "lost"},
    ],
}


@pytest.fixture(scope="module")
def raw() -> str:
    if not SHARED.exists():
        pytest.skip("../shared/data/it_school is not beside this checkout")
    return gzip.decompress(SHARED.read_bytes()).decode("utf-8-sig")


@pytest.fixture(scope="module")
def examined(raw: str, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Examined:
    tmp_path = tmp_path_factory.mktemp("school")
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    (tmp_path / "school.yaml").write_text(yaml.safe_dump(MAPPING, allow_unicode=True), "utf-8")
    folder = tmp_path / "import"
    folder.mkdir()
    (folder / NAME).write_text(raw, "utf-8")
    stamp = datetime(2024, 1, 14, tzinfo=UTC).timestamp()
    os.utime(folder / NAME, (stamp, stamp))
    connection = {
        "name": "school",
        "kind": "file",
        "folder": str(folder),
        "mapping": str(tmp_path / "school.yaml"),
        "time_zone": "Europe/Berlin",
        "home_currency": "EUR",
        "outbox": str(tmp_path / "outbox"),
    }
    settings = {"database": {"url": f"sqlite:///{tmp_path / 'mirror.db'}"}}
    path = tmp_path / "dealpulse.yaml"
    path.write_text(yaml.safe_dump({**settings, "connections": [connection]}), "utf-8")
    with open_app(path, environ={}, clock=FakeClock(NOW), migrate=True) as app:
        (school,) = app.settings(None)
        (pulled,) = run_chain([chain.PULL], app.context(school))
        assert pulled.error is None
        inputs = read_inputs(app.context(school))
    return quality.examine(
        inputs.deals,
        inputs.changes,
        inputs.stages,
        inputs.owners,
        as_of=inputs.as_of,
        today=inputs.today,
        zone=inputs.zone,
        settings=QualitySettings(decided_within_days=10_000),
    )


def counted_by_hand(raw: str) -> dict[str, int]:
    """In the plainest way, from the text itself."""
    rows = [row for row in csv.DictReader(io.StringIO(raw)) if row["Id"]]

    def day(text: str) -> date | None:
        return datetime.strptime(text[:10], "%d.%m.%Y").date() if text else None  # noqa: DTZ007

    still_open = [row for row in rows if row["Stage"] in OPEN_STAGES]
    decided = [row for row in rows if row["Stage"] in ("Lost", "Payment Done")]
    ended = [(day(row["Created Time"]), day(row["Closing Date"])) for row in decided]
    return {
        "loss_reason_missing": sum(
            row["Stage"] == "Lost" and not row["Lost Reason"] for row in rows
        ),
        "close_day_missing": sum(not row["Closing Date"] for row in decided),
        "closed_before_created": sum(end < start for start, end in ended if start and end),
        "closed_in_the_future": sum(end > NOW.date() for _, end in ended if end),
        "won_at_zero": sum(
            row["Stage"] == "Payment Done" and row["Offer Total Amount"] in ("", "0")
            for row in rows
        ),
        "test_record": sum(row["Source"] == "Test" for row in rows),
        "close_date_missing": sum(not row["Closing Date"] for row in still_open),
        "overdue": sum(end < NOW.date() for row in still_open if (end := day(row["Closing Date"]))),
    }


def test_the_rules_find_the_defects_that_a_plain_count_finds(raw: str, examined: Examined) -> None:
    found = Counter(examined.findings["rule"].to_list())
    expected = counted_by_hand(raw)
    assert min(expected.values()) > 0
    assert {rule: found[rule] for rule in expected} == expected


def test_open_deals_that_nobody_touched_for_months_are_dead(raw: str, examined: Examined) -> None:
    rows = list(csv.DictReader(io.StringIO(raw)))
    open_deals = sum(row["Stage"] in OPEN_STAGES for row in rows)
    assert examined.facts.height == open_deals
    old = examined.facts.filter(pl.col("created_on") < date(2023, 11, 1))
    assert old.height > 0
    assert set(old["state"]) == {"dead"}


def test_the_same_contact_entered_again_is_a_probable_duplicate(
    raw: str, examined: Examined
) -> None:
    contacts = Counter(
        row["Contact Name"]
        for row in csv.DictReader(io.StringIO(raw))
        if row["Stage"] in OPEN_STAGES and row["Contact Name"]
    )
    twice = {contact for contact, count in contacts.items() if count > 1}
    found = examined.findings.filter(pl.col("rule") == "probable_duplicate")
    names = examined.facts.join(found, on=("connection", "deal_id"))["name"].to_list()
    assert names
    assert set(names) <= twice


def test_what_an_export_does_not_tell_does_not_apply(examined: Examined) -> None:
    silent = set(examined.results.filter(pl.col("looked_at") == 0)["rule"])
    assert {
        *("next_step_missing", "no_next_activity", "never_answered", "no_first_response"),
        *("no_company", "probability_against_stage"),
    } <= silent
    assert not silent & set(examined.findings["rule"])
