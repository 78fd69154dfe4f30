"""A published Pipedrive change log, through the API and into the mirror's history."""

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from sync.mirror import read, schema
from sync.sandbox.changelog_file import read_changelog
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from tests.crm_pipedrive.conftest import Open

PUBLISHED = Path(__file__).parents[3] / "shared/data/enpal_pipedrive"

Moves = Counter[tuple[str, datetime]]


def moves_in_the_file() -> Moves:
    """Stage and instant of each move, counted from the raw rows: a deal's first row says where it
    began. Five ids are used twice, so rows count and not ids."""
    with gzip.open(PUBLISHED / "deal_changes.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["changed_field_key"] == "stage_id"]
    first = min(row["new_value"] for row in rows)
    moved = [row for row in rows if row["new_value"] != first]
    return Counter(
        (row["new_value"], datetime.fromisoformat(row["change_time"]).replace(tzinfo=UTC))
        for row in moved
    )


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no change log at {PUBLISHED}")
def test_every_move_of_the_published_log_is_in_the_mirrors_history(account_of: Open) -> None:
    company = read_changelog(PUBLISHED)
    account = account_of(
        company,
        behaviour=PipedriveBehaviour(daily_budget=1_000_000, bursts=False),
        daily_budget_share=1,
        history_per_pull=10_000,
    )
    for _ in range(2):
        account.pull()
        account.clock.advance(minutes=15)
    assert read.deal_count(account.engine, "main") == len(company.deals) == 2000
    table = schema.deal_change
    query = select(table.c.new, table.c.changed_at).where(
        table.c.field == "stage", table.c.old.is_not(None)
    )
    with account.engine.connect() as database:
        rows = database.execute(query).all()
    stages = {
        str(account.crm.stage_id(stage.id)): stage.id
        for pipeline in company.pipelines
        for stage in pipeline.stages
        if not stage.is_closed
    }
    found = Counter((stages[row.new], row.changed_at) for row in rows)
    assert found.total() == 6906
    assert found == moves_in_the_file()
