"""A page of deals comes into the mirror whole, and saving it again changes nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import StatementError

from sync.crm.base import ChangeSource, DealStatus, Field, Removal, RemovalReason, Unparsed
from sync.mirror import read, schema
from sync.mirror.write import PageCounts, save_removals
from tests.mirror.records import T0, deal, minutes, moved, rows, save

ARCHIVED, MERGED, PURGED = RemovalReason.ARCHIVED, RemovalReason.MERGED, RemovalReason.PURGED
ALL = (schema.deal, schema.deal_change, schema.unparsed_value, schema.sync_cursor)


def test_a_page_is_there_afterwards(engine: Engine) -> None:
    first, second = deal("1"), deal("2", name="Blåbær AS — rammeavtale", amount=None, own={})
    counts = save(engine, first, second, changes=[moved("1", None, "offer", T0)])
    assert counts == PageCounts(created=2, changes=1)
    assert read.deals_by_id(engine, "acme", ["1", "2", "3"]) == {"1": first, "2": second}
    assert read.cursor(engine, "acme", "deals") == {"after": "100"}


def test_the_same_page_twice_changes_nothing(engine: Engine) -> None:
    page = {
        "changes": [moved("1", None, "offer", T0), moved("1", None, "offer", T0, ordinal=1)],
        "removals": [Removal("2", ARCHIVED, minutes(3)), Removal("unknown", ARCHIVED, T0)],
        "unparsed": [Unparsed("1", "amount", "12 kr")],
    }
    save(engine, deal("1"), deal("2"), **page)
    before = [rows(engine, table) for table in ALL]
    counts = save(engine, deal("1"), deal("2"), **page)
    assert counts == PageCounts(unchanged=2, unparsed=1)
    assert [rows(engine, table) for table in ALL] == before


def test_an_unchanged_deal_only_gets_a_new_pull_date(engine: Engine) -> None:
    save(engine, deal("1"), deal("2"))
    before = rows(engine, schema.deal, "pulled_at", "history_read_at")
    save(engine, deal("1"), at=minutes(15))
    assert rows(engine, schema.deal, "pulled_at", "history_read_at") == before
    assert [row["pulled_at"] for row in rows(engine, schema.deal)] == [minutes(15), T0]


def test_a_newer_state_replaces_an_older_one(engine: Engine) -> None:
    save(engine, deal("1"))
    newer = deal("1", name="Nytt navn", modified_at=minutes(5))
    assert save(engine, newer, at=minutes(6)) == PageCounts(updated=1)
    assert read.deals_by_id(engine, "acme", ["1"]) == {"1": newer}
    assert rows(engine, schema.deal)[0]["first_seen_at"] == T0


def test_an_older_state_is_left(engine: Engine) -> None:
    newer = deal("1", name="Nytt navn", modified_at=minutes(5))
    save(engine, newer)
    unparsed = [Unparsed("1", "amount", "12 kr")]
    assert save(engine, deal("1"), unparsed=unparsed) == PageCounts(unchanged=1)
    assert read.deals_by_id(engine, "acme", ["1"]) == {"1": newer}


def test_of_one_deal_twice_in_a_page_the_newest_counts(engine: Engine) -> None:
    newer = deal("1", name="Nytt navn", modified_at=minutes(5))
    assert save(engine, newer, deal("1")) == PageCounts(created=1, unchanged=1)
    assert read.deals_by_id(engine, "acme", ["1"]) == {"1": newer}


def test_of_two_equally_new_states_in_a_page_the_last_counts(engine: Engine) -> None:
    last = deal("1", name="Nytt navn")
    assert save(engine, deal("1"), last) == PageCounts(created=1, unchanged=1)
    assert read.deals_by_id(engine, "acme", ["1"]) == {"1": last}


def test_connections_do_not_touch_each_other(engine: Engine) -> None:
    save(engine, deal("1"))
    other = deal("1", name="Et annet firma", modified_at=minutes(9))
    save(engine, other, connection="other")
    assert read.deals_by_id(engine, "acme", ["1"]) == {"1": deal("1")}
    assert read.deals_by_id(engine, "other", ["1"]) == {"1": other}


def test_history_is_added_to_and_never_rewritten(engine: Engine) -> None:
    changes = [moved("1", None, "new", T0), moved("1", "new", "offer", minutes(2))]
    save(engine, deal("1"), changes=changes[:1])
    rewritten = replace(changes[0], new="other")
    assert save(engine, deal("1"), changes=[rewritten, changes[1]]).changes == 1
    assert [row["new"] for row in rows(engine, schema.deal_change)] == ["new", "offer"]


def test_fields_without_history_get_it_by_comparing(engine: Engine) -> None:
    save(engine, deal("1", forecast_category="PIPELINE"))
    now = deal(
        "1",
        modified_at=minutes(7),
        status=DealStatus.WON,
        forecast_category=None,
        stage_id="won",
        amount=Decimal("5E+3"),
    )
    assert save(engine, now).changes == 2
    found = rows(engine, schema.deal_change, "connection", "deal_id", "ordinal")
    common = {"changed_at": minutes(7), "source": ChangeSource.DIFF.value}
    assert found == [
        {"field": "forecast_category", "old": "PIPELINE", "new": None} | common,
        {"field": "status", "old": "open", "new": "won"} | common,
    ]


def test_compared_values_are_the_texts_of_changes(engine: Engine) -> None:
    save(engine, deal("1"))
    now = deal("1", modified_at=minutes(7), amount=Decimal("5E+3"), close_date=minutes(0.5))
    save(engine, now, history=frozenset())
    found = {row["field"]: (row["old"], row["new"]) for row in rows(engine, schema.deal_change)}
    assert found == {
        "amount": ("1234.50", "5000"),
        "close_date": ("2026-02-09T01:50:00Z", "2026-01-05T08:30:30Z"),
    }


def test_a_second_difference_under_one_date_is_kept(engine: Engine) -> None:
    """A stage that becomes a won one changes its deals, but not their modification date."""
    save(engine, deal("1"))
    save(engine, deal("1", status=DealStatus.LOST, modified_at=minutes(1)))
    save(engine, deal("1", status=DealStatus.WON, modified_at=minutes(1)))
    found = [(row["ordinal"], row["new"]) for row in rows(engine, schema.deal_change)]
    assert found == [(0, "lost"), (1, "won")]


def test_removed_deals_stay_as_marked_rows(engine: Engine) -> None:
    save(engine, deal("1"), deal("2"), deal("3"))
    removals = [
        Removal("1", ARCHIVED, minutes(1)),
        Removal("2", MERGED, minutes(2), survivor_id="3"),
        Removal("never seen", ARCHIVED, minutes(3)),
    ]
    assert save_removals(engine, "acme", removals, at=minutes(9)) == 2
    assert save_removals(engine, "acme", removals, at=minutes(9)) == 0
    found = rows(engine, schema.deal)
    assert [(r["removed_reason"], r["removed_at"], r["survivor_id"]) for r in found] == [
        ("archived", minutes(1), None),
        ("merged", minutes(2), "3"),
        (None, None, None),
    ]
    assert read.archived_ids(engine, "acme") == {"1"}
    assert read.deal_count(engine, "acme") == 1


@pytest.mark.parametrize("reason", list(RemovalReason))
def test_a_listed_deal_is_alive_again(engine: Engine, reason: RemovalReason) -> None:
    """Under the same modification date: putting a deal back does not move it."""
    save(engine, deal("1"), removals=[Removal("1", reason, minutes(1), survivor_id="9")])
    assert read.deal_count(engine, "acme") == 0
    assert save(engine, deal("1")) == PageCounts(updated=1)
    assert read.deal_count(engine, "acme") == 1
    assert rows(engine, schema.deal)[0]["survivor_id"] is None


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        (Removal("1", MERGED, minutes(1), "2"), Removal("1", ARCHIVED, minutes(5)), minutes(1)),
        (Removal("1", PURGED, minutes(1)), Removal("1", PURGED, minutes(5)), minutes(1)),
        (Removal("1", ARCHIVED, minutes(1)), Removal("1", ARCHIVED, minutes(5)), minutes(5)),
        (Removal("1", ARCHIVED, minutes(1)), Removal("1", PURGED, minutes(5)), minutes(5)),
        (Removal("1", ARCHIVED, minutes(1)), Removal("1", MERGED, minutes(5), "2"), minutes(5)),
    ],
)
def test_a_second_mark_counts_only_where_it_says_more(
    engine: Engine, first: Removal, then: Removal, kept: object
) -> None:
    save(engine, deal("1"), removals=[first])
    assert save_removals(engine, "acme", [then], at=minutes(9)) == 0
    assert rows(engine, schema.deal)[0]["removed_at"] == kept


def test_what_does_not_parse_is_kept_until_it_does(engine: Engine) -> None:
    bad = Unparsed("1", "amount", "12 kr\0\ud800")
    assert save(engine, deal("1"), unparsed=[bad, Unparsed("9", "created_at", "?")]).unparsed == 2
    save(engine, deal("1"), unparsed=[bad], at=minutes(1))
    found = rows(engine, schema.unparsed_value, "connection")
    assert found[0] == {"deal_id": "1", "field": "amount", "raw": "12 kr?", "seen_at": T0}
    save(engine, deal("1"), unparsed=[Unparsed("1", "close_date", "soon")], at=minutes(2))
    found = rows(engine, schema.unparsed_value)
    assert [(row["deal_id"], row["field"]) for row in found] == [
        ("1", "close_date"),
        ("9", "created_at"),
    ]


def test_text_that_no_database_can_store_is_cleaned_once(engine: Engine) -> None:
    dirty = deal("1", name="a\0b\ud83d", own={"dealpulse_explanation": "x\0"}, next_step="ø\0")
    save(engine, dirty, changes=[replace(moved("1", None, "a\0", T0), field=Field.OWNER)])
    stored = read.deals_by_id(engine, "acme", ["1"])["1"]
    assert (stored.name, stored.next_step, stored.own) == (
        "ab?",
        "ø",
        {"dealpulse_explanation": "x"},
    )
    assert save(engine, dirty).unchanged == 1


def test_nothing_of_a_page_is_applied_if_any_of_it_fails(engine: Engine) -> None:
    save(engine, deal("1"))
    before = [rows(engine, table) for table in ALL]
    with pytest.raises((StatementError, TypeError)):
        save(
            engine,
            deal("1", name="Nytt navn", modified_at=minutes(1)),
            deal("2"),
            changes=[moved("1", None, "offer", T0)],
            removals=[Removal("1", ARCHIVED, T0)],
            cursor={"after": object()},  # fails at the very end, when the cursor is saved
        )
    assert [rows(engine, table) for table in ALL] == before


def test_an_amount_that_is_none_is_refused(engine: Engine) -> None:
    with pytest.raises(Exception, match="NaN is not an amount"):
        save(engine, deal("1", amount=Decimal("NaN")))


def test_what_only_some_deals_of_a_page_have_is_kept(engine: Engine) -> None:
    save(engine, deal("1", next_step=None), deal("2", next_step="Call back"))
    held = {row["deal_id"]: row["next_step"] for row in rows(engine, schema.deal)}
    assert held == {"1": None, "2": "Call back"}
