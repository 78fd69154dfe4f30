"""Desired minus actual, and the brake."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import SafetyStop
from sync.writeback import fields
from sync.writeback.fields import PROPERTY_NAMES, Values
from sync.writeback.plan import (
    PlanRow,
    WritePlan,
    brake,
    carrying,
    plan,
    same_value,
    writeback_plan_rows,
)

HELD = {
    fields.WIN_PROBABILITY: "0.40",
    fields.WIN_BY_MONTH: "0.10",
    fields.WIN_BY_QUARTER: "0.30",
    fields.CALL: "SLIP",
    fields.PREDICTED_CLOSE: "2026-05-04",
    fields.EXPECTED_AMOUNT: "1000.00",
    fields.QUALITY_SCORE: "85",
    fields.FINDINGS: "amount_missing;stale",
    fields.STALE_DAYS: "20",
    fields.EXPLANATION: "Won 40 % of the time.",
    fields.COMPUTED_AT: "2026-03-16T09:00:00Z",
}


def one(desired: Values, actual: Values) -> WritePlan:
    return plan({"1": desired}, {"1": actual}, closed=())


def applied(actual: Mapping[str, Values], made: WritePlan) -> dict[str, dict[str, str | None]]:
    """What the CRM holds after `made`."""
    after = {deal_id: dict(values) for deal_id, values in actual.items()}
    for write in made.writes:
        after.setdefault(write.deal_id, {}).update(write.after)
    return after


def test_a_new_deal_gets_everything_that_has_a_value() -> None:
    (write,) = one(HELD, {}).writes
    assert write.after == HELD
    assert write.before == dict.fromkeys(HELD)
    assert write.first
    assert not write.weighs


def test_what_is_held_already_is_not_written() -> None:
    made = one(HELD, HELD)
    assert made == WritePlan(writes=(), unchanged=1, cleared=0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (fields.WIN_PROBABILITY, "0.4"),
        (fields.EXPECTED_AMOUNT, "1000"),
        (fields.EXPECTED_AMOUNT, "1E+3"),
        (fields.QUALITY_SCORE, "85.0"),
        (fields.FINDINGS, "stale; amount_missing;"),
        (fields.EXPLANATION, " Won 40 % of the time.\n"),
        (fields.COMPUTED_AT, "2026-03-16T10:00:00.000+01:00"),
    ],
)
def test_values_compare_by_what_they_mean(name: str, text: str) -> None:
    assert same_value(name, HELD[name], text)
    assert one(HELD, HELD | {name: text}).unchanged == 1


@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        (fields.WIN_PROBABILITY, "0.41", "0.42"),
        (fields.WIN_PROBABILITY, "0.39", "0.38"),
        (fields.EXPECTED_AMOUNT, "1100.00", "1100.01"),
        (fields.EXPECTED_AMOUNT, "900.00", "899.99"),
        (fields.WIN_BY_MONTH, "0.15", "0.16"),
        (fields.WIN_BY_QUARTER, "0.25", "0.24"),
        (fields.PREDICTED_CLOSE, "2026-05-11", "2026-05-12"),
        (fields.PREDICTED_CLOSE, "2026-04-27", "2026-04-26"),
        (fields.QUALITY_SCORE, "86", "87"),
        (fields.STALE_DAYS, "27", "28"),
        (fields.STALE_DAYS, "13", "12"),
    ],
)
def test_a_small_move_is_left_alone(name: str, within: str, beyond: str) -> None:
    assert not one(HELD | {name: within}, HELD).writes
    (write,) = one(HELD | {name: beyond}, HELD).writes
    assert write.after == {name: beyond}
    assert write.before == {name: HELD[name]}
    assert write.moved == {name}


@pytest.mark.parametrize("name", [fields.EXPLANATION, fields.COMPUTED_AT])
def test_riders_wait_for_another_change(name: str) -> None:
    news = "2026-03-17T09:00:00Z" if name == fields.COMPUTED_AT else "Won 41 % of the time."
    assert not one(HELD | {name: news}, HELD).writes
    (write,) = one(HELD | {name: news, fields.FINDINGS: "stale"}, HELD).writes
    assert write.after == {name: news, fields.FINDINGS: "stale"}
    assert write.moved == {fields.FINDINGS}


@pytest.mark.parametrize("name", [fields.EXPLANATION, fields.COMPUTED_AT])
def test_an_empty_rider_is_filled(name: str) -> None:
    (write,) = one(HELD, {**HELD, name: None}).writes
    assert write.after == {name: HELD[name]}


def test_a_small_move_goes_along_with_a_large_one() -> None:
    desired = HELD | {fields.WIN_PROBABILITY: "0.60", fields.QUALITY_SCORE: "86"}
    (write,) = one(desired, HELD).writes
    assert write.after == {fields.WIN_PROBABILITY: "0.60", fields.QUALITY_SCORE: "86"}
    assert write.moved == {fields.WIN_PROBABILITY}


@pytest.mark.parametrize("held", ["often", "NaN", "Infinity", "1,000"])
def test_what_is_no_number_is_replaced(held: str) -> None:
    (write,) = one(HELD, HELD | {fields.EXPECTED_AMOUNT: held}).writes
    assert write.after == {fields.EXPECTED_AMOUNT: "1000.00"}


def test_the_last_finding_gone_empties_the_property() -> None:
    (write,) = one({**HELD, fields.FINDINGS: None}, HELD).writes
    assert write.after == {fields.FINDINGS: None}


def test_a_closed_deal_is_cleared_once() -> None:
    actual = {"1": {**HELD, "amount": "7"}, "2": dict.fromkeys(HELD), "3": {}}
    made = plan({}, actual, closed=["1", "2", "3", "4"])
    (write,) = made.writes
    assert (write.deal_id, made.cleared) == ("1", 1)
    assert write.before == HELD
    assert write.after == dict.fromkeys(HELD)
    assert not plan({}, applied(actual, made), closed=["1"]).writes


def test_closed_wins_over_desired() -> None:
    made = plan({"1": HELD}, {"1": HELD}, closed=["1"])
    assert made.cleared == 1
    assert made.unchanged == 0


def test_deals_in_neither_are_left_alone() -> None:
    assert plan({}, {"1": HELD}, closed=()) == WritePlan((), 0, 0)


TEXT = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "0", "0.4", "0.40", "0.41", "-0.00", "7", "a;b", "b;a", "1e9", "x"]),
    st.integers(-50, 150).map(str),
    st.datetimes().map(lambda instant: f"{instant.isoformat()}Z"),
)
HOLDINGS = st.dictionaries(
    st.sampled_from("12345"),
    st.dictionaries(st.sampled_from([*PROPERTY_NAMES, "amount", "dealname"]), TEXT),
)


@given(desired=HOLDINGS, actual=HOLDINGS, closed=st.sets(st.sampled_from("12345")))
def test_a_second_plan_is_empty(
    desired: dict[str, Values], actual: dict[str, Values], closed: set[str]
) -> None:
    made = plan(desired, actual, closed=closed)
    again = plan(desired, applied(actual, made), closed=closed)
    assert again.writes == ()
    assert len(made.writes) + made.unchanged == len(desired.keys() - closed) + made.cleared


@given(desired=HOLDINGS, actual=HOLDINGS, closed=st.sets(st.sampled_from("12345")))
def test_nothing_but_our_properties_is_touched_and_before_is_what_was_held(
    desired: dict[str, Values], actual: dict[str, Values], closed: set[str]
) -> None:
    for write in plan(desired, actual, closed=closed).writes:
        assert write.after.keys() == write.before.keys()
        assert write.moved <= write.after.keys() <= set(PROPERTY_NAMES)
        assert write.moved
        held = actual.get(write.deal_id, {})
        assert write.before == {name: held.get(name) for name in write.before}
        assert write.deal_id in desired or write.deal_id in closed


@given(desired=HOLDINGS, actual=HOLDINGS, closed=st.sets(st.sampled_from("12345")), data=st.data())
def test_order_does_not_matter(
    desired: dict[str, Values], actual: dict[str, Values], closed: set[str], data: st.DataObject
) -> None:
    def shuffled(holdings: dict[str, Values]) -> dict[str, Values]:
        return dict(data.draw(st.permutations(list(holdings.items()))))

    expected = plan(desired, actual, closed=closed)
    assert plan(shuffled(desired), shuffled(actual), closed=sorted(closed)) == expected
    ids = [write.deal_id for write in expected.writes]
    assert ids == sorted(ids)


def changing(count: int, name: str = fields.FINDINGS, text: str | None = "no_contact") -> WritePlan:
    ids = [str(number) for number in range(count)]
    return plan(
        {deal_id: {**HELD, name: text} for deal_id in ids}, dict.fromkeys(ids, HELD), closed=()
    )


def test_the_brake_stops_a_mass_change_and_says_what_to_do() -> None:
    with pytest.raises(SafetyStop, match=r"60 of the 100 deals .*limit 50%") as stop:
        brake(changing(60), carrying=100, share=0.5)
    assert "writeback plan" in str(stop.value)
    assert "--allow-mass-change" in str(stop.value)


def test_the_brake_lets_the_usual_pass() -> None:
    brake(changing(50), carrying=100, share=0.5)
    brake(changing(49), carrying=49, share=0.5)  # too few to be a catastrophe
    brake(changing(60), carrying=100, share=0.5, allow=True)


def test_deals_whose_past_became_known_may_change() -> None:
    brake(changing(60), carrying=60, share=0.5, expected=30)
    with pytest.raises(SafetyStop):
        brake(changing(90), carrying=90, share=0.5, expected=30)


def test_first_writes_do_not_count_against_the_brake() -> None:
    first = plan({str(number): HELD for number in range(500)}, {}, closed=())
    assert len(first.writes) == 500
    brake(first, carrying=0, share=0.1)


def test_growing_older_does_not_count_but_losing_the_days_with_all_else_does() -> None:
    brake(changing(60, fields.STALE_DAYS, "28"), carrying=60, share=0.5)
    everything = {str(number): HELD for number in range(60)}
    with pytest.raises(SafetyStop):
        brake(plan({}, everything, closed=everything), carrying=60, share=0.5)


def test_carrying_counts_deals_with_a_value() -> None:
    assert carrying({"1": HELD, "2": dict.fromkeys(HELD), "3": {}, "4": {"amount": "7"}}) == 1


def test_rows_for_people_follow_the_order_of_the_properties() -> None:
    made = one(HELD | {fields.FINDINGS: "stale", fields.WIN_PROBABILITY: "0.6"}, HELD)
    rows = writeback_plan_rows(made, {"1": "Acme"}, {fields.FINDINGS: "To put right"})
    assert rows == [
        PlanRow("1", "Acme", fields.WIN_PROBABILITY, "0.40", "0.6"),
        PlanRow("1", "Acme", "To put right", "amount_missing;stale", "stale"),
    ]
    assert writeback_plan_rows(made, {})[0].deal == "1"
