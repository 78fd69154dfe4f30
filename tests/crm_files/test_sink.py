"""Forecasts as files: whole, by id, harmless."""

from decimal import Decimal
from pathlib import Path

from sync.crm.base import DealWrite, PropertySpec, PropertyStatus, ValueKind, WriteResult
from sync.crm.files import outbox
from sync.crm.files.formulas import harmless
from sync.crm.files.tables import read_table
from tests.crm_files.conftest import ROWS, Import

SPECS = (
    PropertySpec("dealpulse_win_probability", ValueKind.PROBABILITY, "Chance", ""),
    PropertySpec("dealpulse_explanation", ValueKind.TEXT, "Why", ""),
    PropertySpec("dealpulse_computed_at", ValueKind.DATETIME, "When", ""),
)


def write(folder: Import, **values: str | None) -> None:
    folder.sink.ensure_properties(SPECS)
    named = {f"dealpulse_{name}": value for name, value in values.items()}
    (outcome,) = folder.sink.write([DealWrite("1", "t1", named)])
    assert outcome.result is WriteResult.WRITTEN


def files(folder: Import) -> tuple[Path, Path]:
    return outbox.paths(folder.outbox, "dult")


def test_both_files_hold_the_values_by_id(folder: Import) -> None:
    folder.export(*ROWS)
    folder.pull()
    write(
        folder, win_probability="0.42", explanation="Fordi; ja", computed_at="2026-03-16T09:00:00Z"
    )
    as_csv, as_xlsx = files(folder)
    assert as_csv.read_text("utf-8-sig").splitlines() == [
        "id;name;dealpulse_win_probability;dealpulse_explanation;dealpulse_computed_at",
        '1;Nytt kjøkken;0,42;"Fordi; ja";2026-03-16 10:00:00',
    ]
    table = read_table(as_xlsx.read_bytes())
    assert table.rows[0].cells[:4] == ("1", "Nytt kjøkken", Decimal("0.42"), "Fordi; ja")


def test_what_is_written_is_read_back_and_cleared(folder: Import) -> None:
    folder.export(*ROWS)
    folder.pull()
    write(folder, win_probability="0.42", explanation="x")
    write(folder, win_probability="0.5")
    (deal,) = folder.source.read(["1"]).deals
    assert deal.own == {"dealpulse_win_probability": "0.5", "dealpulse_explanation": "x"}
    write(folder, win_probability=None, explanation=None)
    assert files(folder)[0].read_text("utf-8-sig").splitlines()[1] == "1;Nytt kjøkken;;;"


def test_a_later_file_does_not_take_them_away(folder: Import) -> None:
    folder.export(*ROWS)
    folder.pull()
    write(folder, win_probability="0.42")
    folder.clock.advance(days=1)
    folder.export(ROWS[0].replace("Kvalifisering", "Tilbud"), *ROWS[1:], name="b.csv")
    folder.pull()
    assert folder.deals["1"].own == {"dealpulse_win_probability": "0.42"}


def test_a_deal_that_is_not_in_the_files_is_missing(folder: Import) -> None:
    folder.export(*ROWS)
    folder.pull()
    outcomes = folder.sink.write(
        [DealWrite("9", "t9", {"dealpulse_explanation": "x"}), DealWrite("2", "t2", {})]
    )
    assert [o.result for o in outcomes] == [WriteResult.MISSING, WriteResult.WRITTEN]
    assert "9" not in {held.record.deal_id for held in folder.book.all()}


def test_no_property_has_to_be_made(folder: Import) -> None:
    states = folder.sink.property_states(SPECS)
    assert {state.status for state in states} == {PropertyStatus.PRESENT}


def test_nothing_in_them_runs_in_a_spreadsheet(folder: Import) -> None:
    folder.export('1;"=HYPERLINK(""http://evil"")";Tilbud;5;;;Kari;X')
    folder.pull()
    write(folder, win_probability="-0.1", explanation="@SUM(A1)")
    as_csv, as_xlsx = files(folder)
    row = read_table(as_csv.read_bytes()).rows[0].cells
    assert row[1:4] == ('\'=HYPERLINK("http://evil")', "-0,1", "'@SUM(A1)")
    (text,) = [row.cells[3] for row in read_table(as_xlsx.read_bytes()).rows]
    assert text == "@SUM(A1)"
    assert b"<f>" not in as_xlsx.read_bytes()


def test_numbers_stay_numbers() -> None:
    assert [harmless(cell) for cell in ("-5", "+4,50", "-5.25", "-x", "\t=1", 7, "a=b")] == [
        "-5",
        "+4,50",
        "-5.25",
        "'-x",
        "'\t=1",
        7,
        "a=b",
    ]
