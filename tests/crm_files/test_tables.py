"""Bytes as tables: encodings, delimiters, headings, sheets."""

import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.files.broken import BrokenFile
from sync.crm.files.tables import Table, read_table
from sync.crm.files.xlsx_out import workbook

TEXT = "Id;Navn;Beløp\n1;Kjøkken på Sørøya;1 250,50\n2;Bad – ny;300\n"


def cells(table: Table) -> list[tuple[object, ...]]:
    return [row.cells for row in table.rows]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "windows-1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_encoding_and_delimiter_gives_the_same_table(
    codec: str, delimiter: str, end: str
) -> None:
    text = TEXT.replace(";", "\0").replace(",", ".").replace("\0", delimiter).replace("\n", end)
    table = read_table(text.encode(codec))
    assert table.headings == ("Id", "Navn", "Beløp")
    assert cells(table) == [("1", "Kjøkken på Sørøya", "1 250.50"), ("2", "Bad – ny", "300")]
    assert [row.line for row in table.rows] == [2, 3]
    assert table.delimiter == delimiter


def test_decimal_commas_do_not_make_commas_the_delimiter() -> None:
    table = read_table(b"Id;Sum;Andel\n1;1,5;0,25\n2;2,5;0,50\n")
    assert (table.delimiter, table.headings) == (";", ("Id", "Sum", "Andel"))


def test_lines_count_also_after_values_of_several_lines() -> None:
    table = read_table(b'Id;Note\n1;"a\nb\nc"\n2;d\n')
    assert [(row.line, row.cells[1]) for row in table.rows] == [(2, "a\nb\nc"), (5, "d")]


def test_excels_own_mark_of_the_delimiter() -> None:
    table = read_table(b"sep=;\nId;Navn\n1;a,b\n")
    assert table.headings == ("Id", "Navn")
    assert [(row.line, row.cells) for row in table.rows] == [(3, ("1", "a,b"))]


def test_titles_above_and_blank_rows_are_no_deals() -> None:
    table = read_table(b"Salgsrapport\n;;\nId;Navn;Sum\n1;a;5\n;;\n2;b;6\n")
    assert table.headings == ("Id", "Navn", "Sum")
    assert [row.line for row in table.rows] == [4, 6]
    assert table.blank == 1


def test_headings_are_made_unique() -> None:
    table = read_table(b"Id;Navn;Navn;\n1;a;b;c\n")
    assert table.headings == ("Id", "Navn", "Navn (2)", "column 4")


def test_short_rows_are_filled_and_long_ones_kept_whole() -> None:
    table = read_table(b"Id;Navn;Sum\n1\n2;b;3;4\n")
    assert cells(table) == [("1", "", ""), ("2", "b", "3", "4")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \n \n", "it is empty"),
        (b"only one column\n1\n", "no headings"),
        (b"\x00\x01\x02" * 50, "neither text nor XLSX"),
        (b"\xd0\xcf\x11\xe0rest", "save it as .xlsx"),
        (b"PK\x03\x04 damaged", "no XLSX workbook"),
    ],
)
def test_what_is_no_table_says_so(content: bytes, said: str) -> None:
    with pytest.raises(BrokenFile, match=said):
        read_table(content)


class TestXlsx:
    def test_text_numbers_and_dates_come_back(self) -> None:
        moment = datetime(2026, 3, 31, 14, 30, 5, tzinfo=UTC)
        content = workbook(
            "Salg",
            ["Id", "Navn", "Sum", "Dag", "Når"],
            [
                ["007", 'Kjøkken <&> "x"', Decimal("1250.5"), date(2026, 3, 31), moment],
                ["8", "=1+1", None, None, None],
            ],
        )
        table = read_table(content)
        assert table.sheet == "Salg"
        assert table.headings == ("Id", "Navn", "Sum", "Dag", "Når")
        naive = moment.replace(tzinfo=None)
        assert cells(table) == [
            ("007", 'Kjøkken <&> "x"', Decimal("1250.5"), datetime(2026, 3, 31), naive),  # noqa: DTZ001
            ("8", "=1+1", "", "", ""),
        ]

    @given(
        rows=st.lists(
            st.tuples(
                st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1),
                st.decimals(-(10**9), 10**9, places=2),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_whatever_is_written_is_read(self, rows: list[tuple[str, Decimal]]) -> None:
        table = read_table(workbook("x", ["a", "b"], rows))
        assert cells(table) == rows

    def test_shared_texts_and_gaps_as_excel_writes_them(self) -> None:
        content = rewritten(
            '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
            '<row r="4"><c r="A4"><v>12</v></c><c r="B4" t="e"><v>#REF!</v></c>'
            '<c r="C4" t="str"><v>sum</v></c></row>',
            shared="<si><t>Id</t></si><si><r><t>Na</t></r><r><t>vn</t></r></si>",
        )
        table = read_table(content)
        assert table.headings == ("Id", "column 2", "Navn")
        assert [(row.line, row.cells) for row in table.rows] == [(4, (Decimal(12), "#REF!", "sum"))]

    def test_another_sheet_is_read_where_it_is_named(self) -> None:
        with pytest.raises(BrokenFile, match="no sheet 'Deals', but: x"):
            read_table(workbook("x", ["a", "b"], [["1", "2"]]), sheet="Deals")

    def test_a_document_type_is_refused(self) -> None:
        content = rewritten("", head='<!DOCTYPE x [<!ENTITY a "aaaa">]>')
        with pytest.raises(BrokenFile, match="no spreadsheet program"):
            read_table(content)


def rewritten(rows: str, *, shared: str = "", head: str = "") -> bytes:
    """A workbook of ours with other rows in its sheet, as another program would write them."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook("x", ["a"], []))) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name).decode()
            if name.endswith("sheet1.xml"):
                content = f"{head}<worksheet {main}><sheetData>{rows}</sheetData></worksheet>"
            new.writestr(name, content)
        new.writestr("xl/sharedStrings.xml", f"<sst {main}>{shared}</sst>")
    return out.getvalue()
