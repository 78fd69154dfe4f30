"""A school's raw export: every defect is named and counted, and no row is lost in silence."""

import csv
import gzip
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.crm_files.conftest import Import, Make

SHARED = Path(__file__).parents[3] / "shared" / "data" / "it_school" / "deals_raw_2023.csv.gz"
MAPPING = """
columns:
  id: Id
  stage: Stage
  amount: Offer Total Amount
  closed_at: Closing Date
  created_at: Created Time
  owner: Deal Owner Name
  contact: Contact Name
  loss_reason: Lost Reason
  lead_source: Source
  deal_type: Product
stages:
  - name: Need to Call - Sales
  - name: Qualificated
  - name: Test Sent
  - name: Call Delayed
  - name: Registered on Webinar
  - name: Waiting For Payment
  - {name: Payment Done, outcome: won}
  - {name: Lost, outcome: lost}
"""
NAME = "deals_raw_2023.csv"
OPEN_STAGES = (
    "Need to Call - Sales",
    "Qualificated",
    "Test Sent",
    "Call Delayed",
    "Registered on Webinar",
    "Waiting For Payment",
)


@pytest.fixture
def school(importing: Make, tmp_path: Path) -> Import:
    if not SHARED.exists():
        pytest.skip("../shared/data/it_school is not beside this checkout")
    (tmp_path / "school.yaml").write_text(MAPPING, "utf-8")
    folder = importing(mapping=tmp_path / "school.yaml", zone="Europe/Berlin", home_currency="EUR")
    folder.put(NAME, gzip.decompress(SHARED.read_bytes()), datetime(2024, 1, 1, tzinfo=UTC))
    return folder


def counted_by_hand(content: str) -> dict[str, int]:
    """The same defects, counted from the raw text in the plainest way."""
    rows = [row for row in csv.DictReader(io.StringIO(content)) if row["Id"]]

    def day(text: str) -> date | None:
        return datetime.strptime(text[:10], "%d.%m.%Y").date() if text else None  # noqa: DTZ007

    def count(stage: str, *, dated: bool) -> int:
        return sum(r["Stage"] == stage and bool(r["Closing Date"]) is dated for r in rows)

    closed = [r for r in rows if r["Stage"] in ("Lost", "Payment Done") and r["Closing Date"]]
    ended = [(day(r["Created Time"]), day(r["Closing Date"])) for r in closed]
    return {
        "no_id": 1,
        "broken_formula": content.count("#REF!"),
        "lost_without_close_date": count("Lost", dated=False),
        "won_without_close_date": count("Payment Done", dated=False),
        "open_with_close_date": sum(count(stage, dated=True) for stage in OPEN_STAGES),
        "closed_before_created": sum(end < start for start, end in ended if start and end),
        "closed_in_the_future": sum(end > date(2024, 1, 1) for _, end in ended if end),
        "amount_typed_as_text": sum("€" in r["Offer Total Amount"] for r in rows),
        "lost_without_reason": sum(r["Stage"] == "Lost" and not r["Lost Reason"] for r in rows),
        "called_a_duplicate": sum(r["Lost Reason"] == "Duplicate" for r in rows),
        "test_deal": sum(r["Source"] == "Test" for r in rows),
        "won_without_amount": sum(
            r["Stage"] == "Payment Done" and r["Offer Total Amount"] in ("", "0") for r in rows
        ),
    }


def test_every_defect_has_a_name_and_a_count_and_every_row_a_place(school: Import) -> None:
    pages = school.pull()
    report = school.book.files()[-1].report
    raw = (school.folder / NAME).read_text("utf-8-sig")
    expected = counted_by_hand(raw)
    assert {name: report["defects"].get(name) for name in expected} == expected
    assert set(report["defects"]) - set(expected) == {"same_deal_twice", "open_but_dead"}
    rows = raw.count("\n") - 1
    assert report["deals"] + report["rejected"] + report["blank"] == rows
    assert len(school.deals) == report["deals"] == rows - 2
    assert school.said(pages) == [f"{NAME}, line 8177: no_id (every deal needs one)"]
    rejected = (school.folder / f"{NAME}.rejected.csv").read_text("utf-8-sig")
    assert rejected.count("\n") == 2
    doubts = (school.folder / f"{NAME}.doubts.csv").read_text("utf-8-sig")
    assert doubts.count("\n") == 1 + sum(report["defects"].values()) - report["rejected"]
