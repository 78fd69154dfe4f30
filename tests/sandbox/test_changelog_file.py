"""A company made of a change log: the published one, and small ones with defects."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sync.errors import ConfigError
from sync.sandbox.changelog_file import read_changelog
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.crm import PipedriveCrm
from tests.fake_clock import FakeClock

PUBLISHED = Path(__file__).parents[3] / "shared/data/enpal_pipedrive"
needs_data = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no change log at {PUBLISHED}")

FILES = {
    "users": "id,name,email,modified\n7,Kari Nordmann,kari@example.com,2024-01-01\n",
    "stages": "stage_id,stage_name\n2,Offer\n1,Lead\n10,Close\n",
    "fields": (
        "ID,FIELD_KEY,NAME,FIELD_VALUE_OPTIONS\n"
        '3,lost_reason,Lost reason,"[{""id"": ""5"", ""label"": ""Price""}]"\n'
    ),
    "deal_changes": (
        "deal_id,change_time,changed_field_key,new_value\n"
        "100,2024-01-02 03:04:05,add_time,2024-01-02T03:04:05\n"
        "100,2024-01-03 03:04:05,user_id,7\n"
        "100,2024-01-04 03:04:05,stage_id,2\n"
        "100,2024-01-05 03:04:05,lost_reason,5\n"
    ),
    "activity": (
        "activity_id,type,assigned_to_user,deal_id,done,due_to\n"
        "1,meeting,7,100,True,2024-01-03T08:00:00\n"
        "2,meeting,7,100,False,2024-02-03T08:00:00\n"
        "3,meeting,7,100,False,2024-02-01T08:00:00\n"
        "4,meeting,7,999,True,2024-02-01T08:00:00\n"
    ),
}


def folder(tmp_path: Path, **changed: str) -> Path:
    for name, text in (FILES | changed).items():
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_a_deals_life(tmp_path: Path) -> None:
    company = read_changelog(folder(tmp_path))
    (deal,) = company.deals
    assert [(f"{e.at:%d}", e.field, e.value) for e in deal.events] == [
        ("02", "name", "Deal 100"),
        ("02", "pipeline", "pipeline"),
        ("02", "stage", "1"),
        ("03", "owner", "7"),
        ("04", "stage", "2"),
        ("05", "stage", "lost"),
        ("05", "loss_reason", "Price"),
    ]
    assert [s.label for s in company.pipelines[0].stages] == [
        "Lead",
        "Offer",
        "Close",
        "Won",
        "Lost",
    ]
    assert (len(deal.activities), f"{deal.next_activity_at:%m-%d}") == (1, "02-01")
    assert company.truth["planned_left_out"] == 1
    assert company.truth["activities_without_deal"] == 1
    assert company.truth["rejected"] == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("100,2024-01-06 00:00:00,stage_id,77", "no stage 77"),
        ("100,2024-01-06 00:00:00,user_id,8", "no user 8"),
        ("100,2024-01-06 00:00:00,value,5", "field value is not known"),
        ("100,2024-01-01 00:00:00,stage_id,2", "before its deal"),
        ("200,2024-01-06 00:00:00,stage_id,2", "deal 200 has not begun"),
        ("100,yesterday,stage_id,2", "yesterday"),
        ("100,2024-01-06 00:00:00,stage_id", "3 cells under 4"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: str, reason: str) -> None:
    company = read_changelog(folder(tmp_path, deal_changes=FILES["deal_changes"] + row + "\n"))
    rejected: Any
    (rejected,) = company.truth["rejected"]  # type: ignore[misc]
    assert (rejected["file"], rejected["line"]) == ("deal_changes", 6)
    assert reason in rejected["reason"]
    assert len(company.deals) == 1


def test_a_second_deal_under_the_same_id(tmp_path: Path) -> None:
    again = (
        "100,2024-06-01 00:00:00,add_time,2024-06-01T00:00:00\n"
        "100,2024-06-02 00:00:00,stage_id,10\n"
    )
    company = read_changelog(folder(tmp_path, deal_changes=FILES["deal_changes"] + again))
    assert [deal.key for deal in company.deals] == ["100", "100#2"]
    assert company.deals[1].events[-1].value == "10"
    assert company.truth["same_id"] == ["100#2"]


def test_a_folder_that_is_not_usable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="users"):
        read_changelog(tmp_path)  # stages are looked for first, and every name is listed
    with pytest.raises(ConfigError, match="new_value"):
        read_changelog(
            folder(tmp_path, deal_changes="deal_id,change_time,changed_field_key\n1,2,3\n")
        )


@needs_data
def test_the_published_log_passes_through_the_crm() -> None:
    company = read_changelog(PUBLISHED)
    assert company.truth["rejected"] == []
    assert company.truth["counts"] == {
        "add_time": 2000, "user_id": 2500, "stage_id": 8906, "lost_reason": 2000,
    }  # fmt: skip
    assert len(company.truth["same_id"]) == 5  # type: ignore[arg-type]
    crm = PipedriveCrm(company, FakeClock(), PipedriveBehaviour())
    rows = Counter(row["field_key"] for deal_id in crm.deal_ids() for row in crm.history(deal_id))
    assert rows["add_time"] == rows["lost_reason"] == rows["status"] == 2000
    assert rows["user_id"] == 2500
    # every deal is in the first stage from its beginning, so the row that says so is no change
    assert rows["stage_id"] == 8906 - 2000
