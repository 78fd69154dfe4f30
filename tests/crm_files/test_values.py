"""Cells as people type them, in Norway and elsewhere."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.files import values

OSLO = ZoneInfo("Europe/Oslo")


class TestAmount:
    @pytest.mark.parametrize(
        ("cell", "number", "currency"),
        [
            ("1 250 000,50", "1250000.50", None),
            ("1\u00a0250\u00a0000,50 kr", "1250000.50", None),
            ("1\u202f250,5", "1250.5", None),
            ("kr 1.250.000,50", "1250000.50", None),
            ("kr. 500", "500", None),
            ("80.000,-", "80000", None),
            ("80 000,- kr", "80000", None),
            ("€ 2.900,00", "2900", "EUR"),
            ("$1,250.75", "1250.75", "USD"),
            ("NOK 12 000", "12000", "NOK"),
            ("12 000 SEK", "12000", "SEK"),
            ("1,250,000", "1250000", None),
            ("1.250.000", "1250000", None),
            ("-450,25", "-450.25", None),
            ("(450)", "-450", None),
            ("\u2212450", "-450", None),
            ("1'250.50", "1250.50", None),
            ("0,125", "0.125", None),
            ("1.250", "1250", None),
            (",5", "0.5", None),
        ],
    )
    def test_with_a_decimal_comma_where_it_does_not_show(
        self, cell: str, number: str, currency: str | None
    ) -> None:
        assert values.amount(cell, "comma") == (Decimal(number), currency)

    def test_a_lone_point_is_what_the_column_says(self) -> None:
        assert values.amount("1.250", "point") == (Decimal("1.25"), None)
        assert values.amount("1,250", "point") == (Decimal(1250), None)

    @pytest.mark.parametrize("cell", ["", "-", "n/a", "  ", "–"])
    def test_nothing_in_its_spellings(self, cell: str) -> None:
        assert values.amount(cell, "comma") == (None, None)

    @pytest.mark.parametrize(
        "cell", ["ca 500000", "12.5.2026", "1,2,3", "12,34,567", "1.25.000,5", "abc", "--5", "5 %"]
    )
    def test_what_is_no_number_is_refused_and_not_half_read(self, cell: str) -> None:
        with pytest.raises(ValueError, match="no number"):
            values.amount(cell, "comma")

    @given(
        number=st.decimals(-(10**9), 10**9, places=2),
        mark=st.sampled_from(["comma", "point"]),
        space=st.sampled_from([" ", "\u00a0", "\u202f", "thousands"]),
        around=st.sampled_from(["{}", "{} kr", "kr {}", "{} NOK"]),
    )
    def test_what_a_person_wrote_comes_back(
        self, number: Decimal, mark: values.Mark, space: str, around: str
    ) -> None:
        separator = {"comma": ".", "point": ","}[mark] if space == "thousands" else space
        written = f"{number:,.2f}".replace(",", "\0").replace(".", "\1")
        written = written.replace("\0", separator).replace("\1", "," if mark == "comma" else ".")
        assert values.amount(around.format(written), mark)[0] == number

    @pytest.mark.parametrize(
        ("cells", "mark"),
        [
            (["1.250", "1.250,5"], "comma"),
            (["1.250", "3.5"], "point"),
            (["1.250", "2.500"], None),
            (["1,5", "1.5"], None),
            (["1 000", ""], None),
            (["1.000.000"], "comma"),
        ],
    )
    def test_the_mark_that_a_column_shows(self, cells: list[str], mark: str | None) -> None:
        assert values.decimal_mark(cells) == mark


class TestShare:
    @pytest.mark.parametrize(
        ("cell", "percent", "share"),
        [
            ("65 %", False, "0.65"),
            ("65%", True, "0.65"),
            ("0,65", False, "0.65"),
            ("65", True, "0.65"),
            ("1", True, "0.01"),
            ("1", False, "1"),
            (Decimal("0.4"), False, "0.4"),
        ],
    )
    def test_read(self, cell: values.Cell, percent: bool, share: str) -> None:
        assert values.share(cell, "comma", percent=percent) == Decimal(share)

    def test_a_share_above_one_is_none(self) -> None:
        with pytest.raises(ValueError, match="no share"):
            values.share("165 %", "comma", percent=False)


class TestInstant:
    @pytest.mark.parametrize(
        ("cell", "instant"),
        [
            ("31.03.2026", "2026-03-30T22:00"),
            ("1.1.26", "2025-12-31T23:00"),
            ("31.03.2026 14:30", "2026-03-31T12:30"),
            ("31.03.2026 kl. 14.30", "2026-03-31T12:30"),
            ("31/03/2026", "2026-03-30T22:00"),
            ("2026-03-31", "2026-03-30T22:00"),
            ("2026-03-31T14:30:05", "2026-03-31T12:30:05"),
            ("2026-03-31 14:30:05Z", "2026-03-31T14:30:05"),
            ("2026-03-31T14:30:05+05:00", "2026-03-31T09:30:05"),
            ("20260331", "2026-03-30T22:00"),
            ("31. mars 2026", "2026-03-30T22:00"),
            ("1. desember 2026", "2026-11-30T23:00"),
            ("Mar 31, 2026", "2026-03-30T22:00"),
            ("31-Mar-2026", "2026-03-30T22:00"),
            ("3/31/2026 2:30 PM", None),
            ("46112", "2026-03-30T22:00"),
            (Decimal(46112), "2026-03-30T22:00"),
            (Decimal("46112.5"), "2026-03-31T10:00"),
            (datetime(2026, 3, 31), "2026-03-30T22:00"),  # noqa: DTZ001 - as a sheet has it
        ],
    )
    def test_read_in_oslo(self, cell: values.Cell, instant: str | None) -> None:
        if instant is None:
            with pytest.raises(ValueError, match="month"):
                values.instant(cell, OSLO)
        else:
            expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
            assert values.instant(cell, OSLO) == expected

    def test_the_month_first_where_the_mapping_says_so(self) -> None:
        found = values.instant("3/31/2026 2:30 PM", OSLO, month_first=True)
        assert found == datetime(2026, 3, 31, 12, 30, tzinfo=UTC)

    @pytest.mark.parametrize("cell", ["", "0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "-"])
    def test_nothing_in_its_spellings(self, cell: str) -> None:
        assert values.instant(cell, OSLO) is None

    @pytest.mark.parametrize(
        "cell", ["32.01.2026", "31.13.2026", "soon", "12", Decimal(3), "31.03.1726", True]
    )
    def test_what_is_no_date_is_refused(self, cell: values.Cell) -> None:
        with pytest.raises(ValueError):
            values.instant(cell, OSLO)

    @given(moment=st.datetimes(datetime(1960, 1, 1), datetime(2140, 1, 1)))  # noqa: DTZ001
    def test_three_spellings_of_one_moment(self, moment: datetime) -> None:
        moment = moment.replace(microsecond=0)
        spellings = (f"{moment:%d.%m.%Y %H:%M:%S}", f"{moment:%Y-%m-%d %H:%M:%S}", moment)
        assert len({values.instant(each, OSLO) for each in spellings}) == 1


@given(cell=st.text(max_size=30), mark=st.sampled_from(["comma", "point"]))
def test_any_text_is_a_value_or_a_value_error(cell: str, mark: values.Mark) -> None:
    for parse in (
        lambda: values.amount(cell, mark),
        lambda: values.share(cell, mark, percent=True),
        lambda: values.instant(cell, OSLO),
    ):
        try:
            parse()
        except ValueError:
            continue
