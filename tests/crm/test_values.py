"""HubSpot's ways of writing a value: each known one is understood, every other one is refused."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.hubspot import values

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"[-+0-9eE.,: TZ;]{0,40}", fullmatch=True)
    | st.lists(st.text())
)
PARSERS = [
    values.number,
    values.instant,
    values.truth,
    values.probability,
    values.text,
    values.forecast_category,
]


@pytest.mark.parametrize("parser", PARSERS)
@given(raw=ANYTHING)
def test_a_parser_understands_or_refuses_and_nothing_else(parser, raw) -> None:  # type: ignore[no-untyped-def]
    doubts = values.Doubts("1")
    parsed = doubts.parse("field", parser, raw)
    assert parsed is None or not doubts.found()


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("raw", [None, "", "  ", "\t"])
def test_empty_is_null_in_all_its_forms(parser, raw) -> None:  # type: ignore[no-untyped-def]
    assert parser(raw) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("1500.00", "1500"),
        ("500000", "500000"),
        ("1,000", "1000"),
        ("1,234,567.50", "1234567.5"),
        ("1 234 567", "1234567"),
        ("1\u00a0000", "1000"),
        ("1.7E12", "1700000000000"),
        ("-0.0", "0"),
        (" 12 ", "12"),
        (12, "12"),
        (0.1, "0.1"),
        (".5", "0.5"),
        ("0.000", "0"),
    ],
)
def test_numbers(raw: object, expected: str) -> None:
    parsed = values.number(raw)
    assert parsed is not None
    assert str(parsed) == expected


@pytest.mark.parametrize(
    "raw",
    ["abc", "NaN", "Infinity", "1e999", "1e-999", "1_000", "١٢", "12 kr", "1,5", "1,00", True],
)
def test_what_is_no_number(raw: object) -> None:
    with pytest.raises(ValueError, match=r"number"):
        values.number(raw)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-1e15, max_value=1e15)
)
def test_a_number_keeps_its_exact_value(amount: Decimal) -> None:
    parsed = values.number(str(amount))
    assert parsed == amount
    assert parsed is not None
    assert values.plain(parsed) == str(parsed)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-04-30T09:44:37.845Z", datetime(2026, 4, 30, 9, 44, 37, 845000, UTC)),
        ("2024-01-01T00:00:00Z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2026-04-01T01:09:00+02:00", datetime(2026, 3, 31, 23, 9, tzinfo=UTC)),
        ("2026-05-31", datetime(2026, 5, 31, tzinfo=UTC)),
        ("2026-05-31T10:00:00", datetime(2026, 5, 31, 10, tzinfo=UTC)),
        ("1700000000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1.7E12", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000000.0", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1700000000000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("-1000", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_instants(raw: object, expected: datetime) -> None:
    assert values.instant(raw) == expected


@pytest.mark.parametrize(
    "raw",
    ["0000-01-01T00:00:00Z", "2026-13-01", "soon", "9" * 30, "0001-01-01T00:00:00+14:00", False],
)
def test_what_is_no_instant(raw: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        values.instant(raw)


@given(
    st.datetimes(
        min_value=datetime(1000, 1, 2),  # noqa: DTZ001
        max_value=datetime(9000, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC) | st.integers(-12, 14).map(lambda h: timezone(timedelta(hours=h))),
    )
)
def test_an_instant_written_and_read_is_the_same_millisecond(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert values.instant(values.iso(at)) == at
    epoch_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert values.instant(str(epoch_ms)) == at


@pytest.mark.parametrize(
    ("raw", "expected"), [("true", True), ("false", False), ("False", False), (True, True)]
)
def test_truth(raw: object, expected: bool) -> None:
    assert values.truth(raw) is expected


@pytest.mark.parametrize(
    ("raw", "expected"), [("0.4", "0.4"), ("1", "1"), ("40", "0.4"), ("100", "1"), ("0", "0")]
)
def test_a_probability_is_a_fraction_or_a_percentage(raw: str, expected: str) -> None:
    assert str(values.probability(raw)) == expected


@pytest.mark.parametrize("raw", ["101", "-0.1"])
def test_what_is_no_probability(raw: str) -> None:
    with pytest.raises(ValueError, match="probability"):
        values.probability(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("OMIT", "OMITTED"),
        ("omitted", "OMITTED"),
        ("BEST_CASE", "BEST_CASE"),
        ("best case", "BEST_CASE"),
        ("Commit", "COMMIT"),
        ("CLOSED", "CLOSED"),
        ("closed won", "CLOSED"),
        ("MOST_LIKELY", "MOST_LIKELY"),
    ],
)
def test_forecast_categories(raw: str, expected: str) -> None:
    assert values.forecast_category(raw) == expected


INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001
USUAL = {
    values.instant: st.builds(
        lambda at, spec: at.isoformat(timespec=spec) + "Z",
        INSTANTS,
        st.sampled_from(["milliseconds", "milliseconds", "seconds", "microseconds"]),
    )
    | st.sampled_from(["2026-02-29T10:00:00.000Z", "2026-03-01T24:00:00.000Z", "2026-W0-1T1:2"])
    | st.from_regex(r"[0-2]\d{3}-[01W]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z", fullmatch=True),
    values.number: st.decimals(-1e15, 1e15, places=2).map(str)
    | st.integers(-(10**16), 10**16).map(str)
    | st.sampled_from(["-0", "0.0", "-0.00", "007", "12\n13", "1.", "٣"]),
}
COLUMNS = {values.instant: values.instants, values.number: values.numbers}


@pytest.mark.parametrize("parser", COLUMNS)
@given(data=st.data())
def test_a_column_is_read_as_each_of_its_values_is(parser, data) -> None:  # type: ignore[no-untyped-def]
    """The usual form is known for a column at once, without a number or an instant being made."""
    usual = st.lists(USUAL[parser] | st.none() | st.just(""), max_size=8)
    raws = data.draw(usual) + data.draw(st.just([]) | st.lists(ANYTHING, max_size=2))
    try:
        expected = [values.written(parser(raw)) for raw in raws]
    except ValueError:
        with pytest.raises(ValueError, match=r".+"):
            COLUMNS[parser](raws)
        return
    assert list(COLUMNS[parser](raws)) == expected


@pytest.mark.parametrize(
    "odd",
    [
        "2026-04-30 09:44:37.845Z",
        "2026-04-30T09:44:37,845Z",
        "2026-W18-4T09:44:37.845Z",
        "2026-04-30T094437.84512Z",
        "2026-04-30T09:44:37.8450",
    ],
)
def test_an_instant_as_long_as_the_usual_ones_is_not_taken_for_one(odd: str) -> None:
    raws = ["2026-04-30T09:44:37.845Z", odd, "2026-04-30T09:44:37Z"]
    assert len(odd) == len(raws[0])
    try:
        expected = [values.written(values.instant(raw)) for raw in raws]
    except ValueError:
        with pytest.raises(ValueError, match=r".+"):
            values.instants(raws)
        return
    assert list(values.instants(raws)) == expected


@given(st.lists(st.text(max_size=4) | st.none() | st.just("") | ANYTHING))
def test_a_column_of_texts_is_read_as_each_of_them_is(raws: list[object]) -> None:
    assert list(values.texts(raws)) == list(map(values.text, raws))
    categories = list(map(values.forecast_category, raws))
    assert values.each_once(values.forecast_category, raws) == categories


def test_a_field_is_counted_once_and_its_value_shortened() -> None:
    doubts = values.Doubts("7")
    doubts.parse("amount", values.number, "x" * 1000)
    doubts.parse("amount", values.number, "y")
    assert [(u.deal_id, u.field, u.raw) for u in doubts.found()] == [("7", "amount", "x" * 200)]
