"""Pipedrive's JSON as our records, without any server."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.base import Account, ChangeSource, DealStatus, Field, RemovalReason, ValueKind
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import activities, definitions, fields, history, mapping, paths, values
from sync.crm.pipedrive.mapping import ActivityDates, Surroundings
from sync.crm.pipedrive.position import Backlog, Bin, Position
from sync.errors import PermanentError

OSLO = ZoneInfo("Europe/Oslo")
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ACCOUNT = Account("7", "Europe/Oslo", "NOK")

RECORD: Mapping[str, Any] = {
    "id": 42,
    "title": "Acme rollout",
    "owner_id": 18,
    "value": Decimal("125000.5"),
    "currency": "NOK",
    "person_id": 7,
    "org_id": 3,
    "pipeline_id": 1,
    "stage_id": 4,
    "status": "open",
    "probability": None,
    "lost_reason": None,
    "add_time": "2026-03-01T08:00:00Z",
    "update_time": "2026-09-20T11:29:32Z",
    "stage_change_time": "2026-09-02T05:49:13Z",
    "close_time": None,
    "won_time": None,
    "lost_time": None,
    "expected_close_date": "2026-11-30",
    "is_deleted": False,
    "is_archived": False,
    "custom_fields": {},
}


def around(**more: Any) -> Surroundings:
    given_: dict[str, Any] = {
        "account": ACCOUNT,
        "stage_probability": {"4": Decimal("0.6")},
        "own_probability": frozenset({"1"}),
        "rates": {"EUR": Decimal("11.5")},
        "own": {},
    }
    return Surroundings(**{**given_, **more})


def mapped(**changed: Any) -> Any:
    doubts = Doubts("42")
    found = mapping.deal({**RECORD, **changed}, around(), ActivityDates(), doubts)
    return found, {value.field for value in doubts.found()}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(set(RECORD) - {"id", "custom_fields"})), json_values))
def test_whatever_a_field_holds_the_deal_is_read(changed: dict[str, Any]) -> None:
    found, _ = mapped(**changed)
    assert found.deal_id == "42"
    assert found.created_at.tzinfo is UTC
    assert found.modified_at.tzinfo is UTC
    assert found.amount is None or found.amount.is_finite()
    assert found.stage_probability is None or 0 <= found.stage_probability <= 1
    assert (found.closed_at is None) == (found.status is DealStatus.OPEN)


def test_ordinary_nulls_are_no_trouble() -> None:
    empty = dict.fromkeys(["person_id", "org_id", "expected_close_date", "owner_id", "value"])
    found, doubts = mapped(**empty)
    assert doubts == set()
    assert (found.close_date, found.owner_id, found.amount) == (None, None, None)
    assert (found.contact_count, found.company_count) == (0, 0)


@pytest.mark.parametrize("empty", [None, "", "0000-00-00 00:00:00", "0000-00-00"])
def test_empty_dates_have_many_forms(empty: str | None) -> None:
    found, doubts = mapped(expected_close_date=empty, won_time=empty, stage_change_time=empty)
    assert found.close_date is None
    assert doubts == set()


def test_what_cannot_be_understood_is_left_empty_and_counted() -> None:
    found, doubts = mapped(value="about a million", expected_close_date="soon", status="paused")
    assert (found.amount, found.close_date, found.status) == (None, None, DealStatus.OPEN)
    assert doubts == {"amount", "close_date", "status"}


def test_missing_dates_fall_back_on_what_there_is() -> None:
    found, doubts = mapped(add_time=None)
    assert found.created_at == found.modified_at
    assert doubts == {"created_at"}
    found, _ = mapped(add_time=None, update_time=None)
    assert found.modified_at.year == 1970


def test_instants_of_both_versions() -> None:
    for raw in ("2026-03-01T08:00:00Z", "2026-03-01 08:00:00", "2026-03-01T08:00:00.000Z"):
        assert values.instant(raw) == AT


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_a_close_date_stays_that_day_in_the_account(day: date) -> None:
    found, _ = mapped(expected_close_date=day.isoformat())
    for zone in ("Europe/Oslo", "UTC", "Europe/London", "Europe/Helsinki"):
        assert found.close_date.astimezone(ZoneInfo(zone)).date() == day


@given(st.decimals(-(10**14), 10**14, places=4))
def test_amounts_are_exact_and_have_one_text(amount: Decimal) -> None:
    parsed = values.number(amount)
    assert parsed == amount
    assert values.number(values.plain(amount)) == parsed


@pytest.mark.parametrize(
    ("own", "pipeline", "expected"),
    [(None, 1, "0.6"), (35, 1, "0.35"), (0, 1, "0"), (35, 2, "0.6"), (101, 1, "0.6")],
)
def test_the_effective_probability(own: int | None, pipeline: int, expected: str) -> None:
    found, _ = mapped(probability=own, pipeline_id=pipeline)
    assert found.stage_probability == Decimal(expected)


def test_a_currency_without_a_rate_is_not_taken_for_the_home_currency() -> None:
    assert mapped(currency="EUR", value=2)[0].amount_home == 23
    assert mapped(currency="BTX", value=2)[0].amount_home is None
    assert mapped(currency=None)[0].currency == "NOK"


def test_rates_follow_from_the_summary() -> None:
    totals = {
        "EUR": {"value": 10, "value_converted": 115},
        "PTS": {"value": 5, "value_converted": 0},
        "USD": {"value": 0, "value_converted": 0},
    }
    assert definitions.rates({"values_total": totals}) == {"EUR": Decimal("11.5")}
    assert definitions.rates({"values_total": None}) == {}


def stages_of(*probabilities: int) -> Sequence[Decimal | None]:
    stages = [
        {"id": n, "name": f"S{n}", "pipeline_id": 1, "order_nr": n, "deal_probability": p}
        for n, p in enumerate(probabilities)
    ]
    (pipeline,) = definitions.pipelines([{"id": 1, "name": "P", "order_nr": 1}], stages)
    return [stage.probability for stage in pipeline.stages]


def test_stages_that_nobody_configured_have_no_probability() -> None:
    assert stages_of(100, 100, 100) == [None, None, None]
    assert stages_of(20, 100) == [Decimal("0.2"), Decimal(1)]


def test_an_account_without_zone_or_currency_cannot_be_counted_in() -> None:
    for missing in ("default_currency", "timezone_name"):
        me = {"company_id": 1, "default_currency": "NOK", "timezone_name": "Europe/Oslo"}
        with pytest.raises(PermanentError, match="Personal preferences"):
            definitions.account({**me, missing: None})


def test_a_removed_deal_is_merged_only_where_pipedrive_says_into_what() -> None:
    gone = mapping.removed({**RECORD, "is_deleted": True}, AT)
    assert (gone.reason, gone.survivor_id) == (RemovalReason.ARCHIVED, None)
    merged = mapping.removed({**RECORD, "merged_to_id": 43}, AT)
    assert (merged.reason, merged.survivor_id) == (RemovalReason.MERGED, "43")


def test_mails_count_as_activity() -> None:
    found, _ = mapped(last_incoming_mail_time="2026-09-19T10:00:00Z")
    assert found.last_activity_at == datetime(2026, 9, 19, 10, tzinfo=UTC)


def test_when_an_activity_took_place() -> None:
    done = {"done": True, "deal_id": 1, "due_date": "2026-03-01", "update_time": None}
    marked = {**done, "marked_as_done_time": "2026-03-02 09:00:00"}
    assert activities.activity(marked, OSLO).at == datetime(2026, 3, 2, 9, tzinfo=UTC)
    empty = {**done, "marked_as_done_time": "", "due_time": "10:30"}
    assert activities.activity(empty, OSLO).at == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    assert activities.activity({**done, "due_time": None}, OSLO).at == datetime(
        2026, 3, 1, 11, tzinfo=UTC
    )
    assert not activities.activity(done, OSLO).ours
    assert activities.activity({**done, "note": "x [dealpulse:stale]"}, OSLO).ours


def row(key: str, old: str | None, new: str | None, at: datetime, who: str = "app") -> Any:
    return {
        "field_key": key,
        "old_value": old,
        "new_value": new,
        "time": f"{at:%Y-%m-%d %H:%M:%S}",
        "change_source": who,
    }


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12),
    st.integers(1, 5),
)
def test_changes_form_a_chain_whatever_happened_in_one_second(
    moves: list[tuple[int, int]], first: int
) -> None:
    at, stage, rows = AT, str(first), []
    for seconds, to in moves:
        at += timedelta(seconds=seconds)
        rows.append(row("stage_id", stage, str(to), at))
        stage = str(to)
    deal = mapping.deal({**RECORD, "stage_id": int(stage)}, around(), ActivityDates(), Doubts("42"))
    found = [
        c
        for c in history.from_changelog(deal, rows[::-1], OSLO, Doubts("42"))
        if c.field is Field.STAGE
    ]
    assert found[0].old is None
    assert found[0].new == str(first)
    assert [c.old for c in found[1:]] == [c.new for c in found[:-1]]
    assert found[-1].new == stage
    assert len({(c.changed_at, c.ordinal) for c in found}) == len(found)
    assert [c.changed_at for c in found] == sorted(c.changed_at for c in found)


@given(st.permutations(["1", "2", "3", "4", "5"]), st.randoms(use_true_random=False))
def test_hops_of_one_second_are_put_in_order(stages: list[str], dice: Random) -> None:
    rows = [row("stage_id", old, new, AT) for old, new in pairwise(stages)]
    dice.shuffle(rows)
    deal = mapping.deal({**RECORD, "stage_id": stages[-1]}, around(), ActivityDates(), Doubts("42"))
    found = history.from_changelog(deal, rows, OSLO, Doubts("42"))
    assert [c.new for c in found if c.field is Field.STAGE] == stages


def test_who_made_a_change() -> None:
    makers = {
        "app": ChangeSource.HUMAN,
        "mobile": ChangeSource.HUMAN,
        "api": ChangeSource.INTEGRATION,
        "import": ChangeSource.INTEGRATION,
        "workflow": ChangeSource.AUTOMATION,
        "something new": ChangeSource.UNKNOWN,
        None: ChangeSource.UNKNOWN,
    }
    for who, maker in makers.items():
        assert history.source({"change_source": who}) is maker


def test_a_field_that_never_changed_was_always_as_it_is() -> None:
    deal = mapping.deal(RECORD, around(), ActivityDates(), Doubts("42"))
    found = {c.field: (c.old, c.new) for c in history.from_changelog(deal, [], OSLO, Doubts("42"))}
    assert found[Field.OWNER] == (None, "18")
    assert found[Field.AMOUNT] == (None, "125000.5")
    assert found[Field.CLOSE_DATE] == (None, "2026-11-30T11:00:00Z")


def test_what_happened_after_the_deal_was_read_is_left_for_later() -> None:
    deal = mapping.deal(RECORD, around(), ActivityDates(), Doubts("42"))
    late = row("stage_id", "4", "5", deal.modified_at + timedelta(seconds=1))
    found = history.from_changelog(deal, [late], OSLO, Doubts("42"))
    assert [c.new for c in found if c.field is Field.STAGE] == ["4"]


@given(st.decimals(0, 1, places=2), st.decimals(-(10**9), 10**9, places=2), st.integers(0, 999))
def test_written_values_come_back(chance: Decimal, amount: Decimal, days: int) -> None:
    for kind, text in (
        (ValueKind.PROBABILITY, f"{chance:f}"),
        (ValueKind.AMOUNT, f"{amount:f}"),
        (ValueKind.INTEGER, str(days)),
    ):
        sent = fields.encode(kind, text, currency="NOK", choices={})
        back = fields.decode(kind, sent, choices={})
        assert back is not None
        assert Decimal(back) == Decimal(text)


def test_an_empty_choice_is_null_and_never_an_empty_list() -> None:
    for text in (None, "", "unknown"):
        sent = fields.encode(ValueKind.CHOICES, text, currency="NOK", choices={"stale": 3})
        assert sent is None
    assert fields.decode(ValueKind.CHOICES, [3, 9], choices={"stale": 3}) == "#9;stale"


instants = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ids = st.integers(1, 10**7).map(str)
positions = st.builds(
    Position,
    since=instants,
    archived=st.none() | instants,
    deleted=st.none() | instants,
    activities=st.none() | instants,
    after=st.none() | st.text("abc=_-", min_size=1),
    until=st.none() | instants,
    loading=st.booleans(),
    rescanned=st.none() | instants,
    history_after=st.none() | instants,
    bin=st.builds(Bin, st.dictionaries(ids, instants), st.dictionaries(ids, instants)),
    backlog=st.builds(Backlog, st.dictionaries(ids, st.integers(0, 10**12))),
)


@given(positions)
def test_a_cursor_forgets_nothing(position: Position) -> None:
    assert Position.of(position.cursor()) == position
    assert all(isinstance(value, str) for value in position.cursor().values())


def test_an_id_is_never_taken_for_an_address() -> None:
    for odd in ("../users", "1/merge", "", "١"):
        with pytest.raises(ValueError, match="no id"):
            paths.deal(odd)
