"""What the mirror answers about versions, counts, and our own values in the CRM."""

from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert

from sync.crm.base import DealStatus, Known, Removal, RemovalReason
from sync.mirror import read, schema
from sync.mirror.engine import writing
from sync.mirror.job_runs import start_run
from tests.mirror.records import T0, deal, minutes, save

GONE = Removal("gone", RemovalReason.ARCHIVED, minutes(1))


def journal(engine: Engine, deal_id: str, trace_id: str, **values: Any) -> None:
    plain = {
        "job_run_id": start_run(engine, "write_back", "acme", at=T0),
        "connection": "acme",
        "deal_id": deal_id,
        "trace_id": trace_id,
        "before": {},
        "after": {},
        "state": "confirmed",
        "planned_at": T0,
        "settled_at": minutes(1),
    }
    with writing(engine) as transaction:
        transaction.execute(insert(schema.write_journal).values(plain | values))


def test_known_states_are_the_mirrors_with_its_date_and_that_of_our_last_write(
    engine: Engine,
) -> None:
    save(engine, deal("1"), deal("2", modified_at=minutes(3)), deal("gone"), removals=[GONE])
    journal(engine, "1", "a", echo_modified_at=minutes(7))
    journal(engine, "1", "b", echo_modified_at=minutes(8))
    journal(engine, "1", "c", state="unknown")
    journal(engine, "2", "d")
    journal(engine, "2", "e", connection="other", echo_modified_at=minutes(9))
    journal(engine, "gone", "f", echo_modified_at=minutes(9))
    asked = ["1", "2", "gone", "never seen"]
    assert read.known_states(engine, "acme", asked) == {
        "1": Known(deal("1"), frozenset({deal("1").modified_at, minutes(8)})),
        "2": Known(deal("2", modified_at=minutes(3)), frozenset({minutes(3)})),
    }
    assert read.known_states(engine, "acme", []) == {}


def test_more_ids_than_one_query_takes(engine: Engine) -> None:
    save(engine, deal("1"), deal("12000"))
    asked = [str(number) for number in range(12_001)]
    assert set(read.known_states(engine, "acme", asked)) == {"1", "12000"}
    assert set(read.deals_by_id(engine, "acme", asked)) == {"1", "12000"}


def test_deals_are_counted_that_are_in_the_crm(engine: Engine) -> None:
    assert read.deal_count(engine, "acme") == 0
    lost, gone = deal("2", status=DealStatus.LOST), deal("gone", status=DealStatus.LOST)
    save(engine, deal("1"), lost, gone, removals=[GONE])
    save(engine, deal("5"), connection="other")
    assert read.deal_count(engine, "acme") == 2


def test_our_values_are_those_pulled_and_over_them_those_written_since(engine: Engine) -> None:
    pulled = {"score": "80", "days": None}
    for deal_id in ("new", "at once", "old", "failed", "untouched"):
        save(engine, deal(deal_id, own=pulled), at=minutes(5))
    save(engine, deal("gone"), removals=[GONE])

    def wrote(deal_id: str, at: datetime | None, **values: Any) -> None:
        trace = f"{deal_id} {at} {values}"
        journal(engine, deal_id, trace, settled_at=at, **values)

    wrote("new", minutes(6), after={"days": "3", "score": "70"})
    wrote("new", minutes(7), after={"days": None, "note": "x"}, state="written")
    wrote("old", minutes(4), after={"score": "10"})
    wrote("at once", minutes(5), after={"score": "15"})
    wrote("failed", minutes(6), after={"score": "11"}, state="rejected")
    wrote("failed", None, after={"score": "12"}, state="sending")
    wrote("gone", minutes(6), after={"score": "13"})
    wrote("untouched", minutes(6), after={"score": "14"}, connection="other")
    assert read.actual_values(engine, "acme") == {
        "new": {"score": "70", "days": None, "note": "x"},
        "at once": {"score": "15", "days": None},
        "old": pulled,
        "failed": pulled,
        "untouched": pulled,
    }
