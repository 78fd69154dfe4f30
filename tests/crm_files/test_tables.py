"""Bytes as tables: encodings, delimiters, headings, sheets."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from sync.crm.files import xlsx
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
        (b"\xd0\xcf\x11\xe0rest", r"old \.xls file; save it as \.xlsx"),
        (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "locked by a password"),
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
            '<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
            '<row r="4"><c r="A4"><v>12</v></c><c r="B4" t="e"><v>#REF!</v></c>'
            '<c r="C4" t="str"><v>sum</v></c></row></sheetData>',
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


class TestWorkbooksOfOthers:
    """As spreadsheet programs and CRMs write them, with what people do to them."""

    def saved(self, book: Workbook) -> bytes:
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def filled(self, book: Workbook, *rows: Sequence[object]) -> bytes:
        for row in rows:
            book.worksheets[0].append(list(row))
        return self.saved(book)

    def test_dates_and_instants_and_times(self) -> None:
        day, moment = date(2026, 3, 31), datetime(2026, 3, 31, 14, 30, 5)  # noqa: DTZ001
        content = self.filled(Workbook(), ["Id", "Dag", "Når", "Kl"], [1, day, moment, time(14)])
        midnight = datetime(2026, 3, 31)  # noqa: DTZ001
        assert cells(read_table(content)) == [(Decimal(1), midnight, moment, "14:00:00")]

    def test_days_counted_from_1904(self) -> None:
        book = Workbook()
        book.epoch = CALENDAR_MAC_1904
        content = self.filled(book, ["Id", "Dag"], [1, date(2026, 3, 31)])
        assert cells(read_table(content)) == [(Decimal(1), datetime(2026, 3, 31))]  # noqa: DTZ001

    def test_a_date_beyond_the_calendar_is_an_error_value_not_a_crash(self) -> None:
        book = Workbook()
        book.worksheets[0].append(["Id", "Dag"])
        book.worksheets[0].append([1, 10**9])
        book.worksheets[0]["B2"].number_format = "yyyy-mm-dd"
        assert cells(read_table(self.saved(book))) == [(Decimal(1), "#VALUE!")]

    def test_formulas_give_the_value_stored_with_them(self) -> None:
        rows = (
            '<row r="1"><c r="A1" t="str"><v>Id</v></c><c r="B1" t="str"><v>Sum</v></c></row>'
            '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>1+1.5</f><v>2.5</v></c></row>'
            '<row r="3"><c r="A3"><v>2</v></c><c r="B3" t="e"><f>A9</f><v>#REF!</v></c></row>'
        )
        found = cells(read_table(rewritten(f"<sheetData>{rows}</sheetData>")))
        assert found == [(Decimal(1), Decimal("2.5")), (Decimal(2), "#REF!")]

    def test_a_size_that_is_not_so_loses_no_cell(self) -> None:
        rows = "".join(
            f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}"><v>{n}</v></c></row>'
            for n in (1, 2, 3)
        )
        content = rewritten(f'<dimension ref="A1"/><sheetData>{rows}</sheetData>')
        assert cells(read_table(content)) == [(Decimal(n), Decimal(n)) for n in (2, 3)]

    def test_a_stray_cell_far_below_costs_nothing(self) -> None:
        rows = (
            '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>'
            '<row r="2"><c r="A2"><v>3</v></c><c r="B2"><v>4</v></c></row>'
            '<row r="1048576"><c r="A1048576" s="1"/></row>'
        )
        table = read_table(rewritten(f"<sheetData>{rows}</sheetData>"))
        assert (len(table.rows), table.blank) == (1, 0)

    def test_a_hidden_sheet_is_read_only_where_it_is_named(self) -> None:
        book = Workbook()
        book.worksheets[0].title = "Lookup"
        book.worksheets[0].append(["Code", "Text"])
        book.worksheets[0].append(["x", "y"])
        book.worksheets[0].sheet_state = "hidden"
        page = book.create_sheet("Deals")
        page.append(["Id", "Navn"])
        page.append(["1", "Bad"])
        book.active = 1
        content = self.saved(book)
        assert read_table(content).sheet == "Deals"
        assert read_table(content, sheet="Lookup").headings == ("Code", "Text")

    def test_a_merged_title_is_passed_over_and_filtered_rows_count(self) -> None:
        book = Workbook()
        page = book.worksheets[0]
        for row in (["Salgsrapport"], ["Id", "Navn", "Sum"], ["1", "a", 5], ["2", "b", 6]):
            page.append(row)
        page.merge_cells("A1:C1")
        page.row_dimensions[4].hidden = True
        table = read_table(self.saved(book))
        assert table.headings == ("Id", "Navn", "Sum")
        assert [row.line for row in table.rows] == [3, 4]

    @pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
    def test_a_file_that_was_cut_off_is_damaged(self, kept: float) -> None:
        whole = workbook("x", ["a", "b"], [[str(n), "text"] for n in range(200)])
        with pytest.raises(BrokenFile, match="damaged"):
            read_table(whole[: int(len(whole) * kept)])

    def test_a_part_that_is_missing_or_no_xml_is_damage(self) -> None:
        for broken in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"):
            for content in (None, b"", b"<worksheet><sheetData><row r='x'"):
                out = io.BytesIO()
                with (
                    zipfile.ZipFile(io.BytesIO(workbook("x", ["a", "b"], []))) as old,
                    zipfile.ZipFile(out, "w") as new,
                ):
                    for name in old.namelist():
                        if name != broken:
                            new.writestr(name, old.read(name))
                        elif content is not None:
                            new.writestr(name, content)
                with pytest.raises(BrokenFile):
                    read_table(out.getvalue())

    def test_what_unpacks_without_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(xlsx, "MAX_UNPACKED", 2000)
        with pytest.raises(BrokenFile, match="unpacks to more"):
            read_table(workbook("x", ["a", "b"], [["1", "y" * 3000]]))

    def test_nothing_that_we_write_is_a_formula_or_an_error(self) -> None:
        texts = ["=1+1", "+1", "-x", "@SUM(A1)", "#REF!", "bell \a", "\ud800", "x" * 40_000]
        content = workbook("x", ["Id", "=A1"], [[str(n), t] for n, t in enumerate(texts)])
        book = load_workbook(io.BytesIO(content))
        page = book.worksheets[0]
        assert {cell.data_type for row in page.iter_rows() for cell in row} == {"s"}
        held = [str(row[1]) for row in page.iter_rows(values_only=True)]
        assert held[:6] == ["=A1", *texts[:5]]
        assert held[6:8] == ["bell ", "?"]
        assert len(held[8]) == 32_767


def rewritten(rows: str, *, shared: str = "", head: str = "") -> bytes:
    """A workbook of ours with other rows in its sheet, as another program would write them."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    texts = (
        '<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    )
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook("x", ["a"], []))) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name).decode().replace("</Types>", texts)
            if name.endswith("sheet1.xml"):
                content = f"{head}<worksheet {main}>{rows}</worksheet>"
            new.writestr(name, content)
        new.writestr("xl/sharedStrings.xml", f"<sst {main}>{shared}</sst>")
    return out.getvalue()
