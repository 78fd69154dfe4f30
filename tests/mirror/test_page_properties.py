"""What holds for any deals: exact values, and pages that may come in any order, or twice."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from sync.crm.base import Change, ChangeSource, Deal, DealPage, DealStatus, Field
from sync.mirror import read, schema
from sync.mirror.engine import reading
from sync.mirror.write import save_page
from tests.mirror.records import HISTORY, T0, deal, minutes, moved

SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = (f"connection-{number}" for number in itertools.count())

amounts = st.decimals(-(10**18), 10**18, places=6) | st.sampled_from(
    [Decimal("0.1"), Decimal("1E+18"), Decimal("123456789012345678.123456"), Decimal("-0.00")]
)
instants = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.timezones() | st.just(UTC),
) | st.sampled_from([datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)])
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=20
)


def put(engine: Engine, connection: str, *deals: Deal, changes: Any = ()) -> None:
    page = DealPage({}, deals, changes)
    save_page(engine, connection, "deals", page, history=HISTORY, at=T0)


@SETTINGS
@given(amount=amounts, modified_at=instants, name=texts, own=st.dictionaries(texts, texts))
def test_values_come_back_exactly(
    engine: Engine, amount: Decimal, modified_at: datetime, name: str, own: dict[str, str]
) -> None:
    connection = next(NAMES)
    put_in = deal(
        "1", amount=amount, amount_home=-amount, modified_at=modified_at, name=name, own=own
    )
    put(engine, connection, put_in)
    got = read.deals_by_id(engine, connection, ["1"])["1"]
    assert got == put_in
    assert got.modified_at.utcoffset() == timedelta(0)
    assert got.amount is not None
    assert got.amount.as_tuple().exponent in (amount.as_tuple().exponent, 0)


@SETTINGS
@given(earlier=instants, later=instants)
def test_the_database_orders_instants_as_time_does(
    engine: Engine, earlier: datetime, later: datetime
) -> None:
    connection = next(NAMES)
    put(engine, connection, deal("1", modified_at=earlier), deal("2", modified_at=later))
    table = schema.deal.c
    query = select(table.deal_id).where(table.connection == connection, table.modified_at < later)
    with reading(engine) as snapshot:
        assert ("1" in set(snapshot.execute(query).scalars())) == (earlier < later)


def test_a_naive_instant_is_refused(engine: Engine) -> None:
    with pytest.raises(Exception, match="has no time zone"):
        put(engine, "acme", deal("1", modified_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_an_instant_of_another_zone_is_the_same_instant(engine: Engine) -> None:
    oslo = timezone(timedelta(hours=2))
    put(engine, "acme", deal("1", close_date=datetime(2026, 4, 1, 0, 30, tzinfo=oslo)))
    close_date = read.deals_by_id(engine, "acme", ["1"])["1"].close_date
    assert str(close_date) == "2026-03-31 22:30:00+00:00"


@st.composite
def pages(draw: st.DrawFn) -> list[tuple[list[Deal], list[Change]]]:
    """What a CRM with four deals could send: every version of a deal has a date of its own."""
    versions = [
        deal(
            deal_id,
            modified_at=minutes(version),
            stage_id=f"stage {version}",
            status=draw(st.sampled_from(DealStatus)),
            amount=draw(amounts),
        )
        for deal_id in "1234"
        for version in range(draw(st.integers(1, 3)))
    ]
    sent = draw(st.lists(st.lists(st.sampled_from(versions), max_size=4), min_size=1, max_size=5))
    return [
        (deals, [moved(d.deal_id, None, str(d.stage_id), d.modified_at) for d in deals])
        for deals in sent
    ]


def held(engine: Engine, connection: str) -> list[Any]:
    tables = {
        schema.deal: ("connection", "first_seen_at", "pulled_at"),
        schema.deal_change: ("connection",),
    }
    found: list[Any] = []
    for table, without in tables.items():
        columns = [column for column in table.c if column.name not in without]
        query = select(*columns).where(table.c.connection == connection)
        if table is schema.deal_change:  # differences depend on what was there to compare with
            query = query.where(table.c.source != ChangeSource.DIFF.value)
        with reading(engine) as snapshot:
            found += snapshot.execute(query.order_by(*table.primary_key)).all()
    return found


@SETTINGS
@given(sent=pages(), random=st.randoms(use_true_random=False))
def test_pages_may_come_in_any_order_and_again(engine: Engine, sent: Any, random: Any) -> None:
    ordered, shuffled = next(NAMES), next(NAMES)
    for deals, changes in sent:
        put(engine, ordered, *deals, changes=changes)
    again = [*sent, *random.sample(sent, 1)]
    random.shuffle(again)
    for deals, changes in again:
        put(engine, shuffled, *deals, changes=changes)
    assert held(engine, ordered) == held(engine, shuffled)


@SETTINGS
@given(sent=pages())
def test_differences_lead_from_the_first_state_to_the_last(engine: Engine, sent: Any) -> None:
    connection = next(NAMES)
    for deals, _ in sent:
        put(engine, connection, *deals)
    table = schema.deal_change.c
    query = (
        select(table.deal_id, table.old, table.new)
        .where(table.connection == connection, table.field == Field.STATUS.value)
        .order_by(table.deal_id, table.changed_at, table.ordinal)
    )
    with reading(engine) as snapshot:
        changes = snapshot.execute(query).all()
    now = read.deals_by_id(engine, connection, "1234")
    for deal_id, rows in itertools.groupby(changes, key=lambda row: row.deal_id):
        steps = [(row.old, row.new) for row in rows]
        assert all(old != new for old, new in steps)
        assert [new for _, new in steps[:-1]] == [old for old, _ in steps[1:]]
        assert steps[-1][1] == now[deal_id].status.value
