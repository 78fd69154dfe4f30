"""What a person or a script gets on standard output."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.progress import Progress

from sync.cli import state
from sync.errors import TransientError
from sync.report.table import Column, Format, Kind, Report, show

COLUMNS = (
    Column("period", "Period", Kind.DAY),
    Column("owner", "Owner"),
    Column("owner_id", on_screen=False),
    *(Column(f"amount_{n}", "Forecast learned", Kind.MONEY) for n in range(4)),
)
AS_OF = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)


def report(connection: str, columns: tuple[Column, ...] = COLUMNS) -> Report:
    amounts = {f"amount_{n}": 12_345_678.125 for n in range(4)}
    return Report(
        title=f"{connection}: forecast",
        columns=columns,
        rows=[{"period": "2026-Q1", "owner": "Kari Nygård", "owner_id": "71", **amounts}],
        facts={"connection": connection, "as_of": AS_OF, "currency": "NOK", "method": "m"},
        notes=["A note that is longer than a line of eighty characters, so that it has to go on."],
    )


def printed(reports: list[Report], form: Format, width: int = 80) -> str:
    out = io.StringIO()
    show(reports, form, Console(file=out, width=width))
    return out.getvalue()


def test_json_is_one_document_however_many_tables() -> None:
    (one,) = json.loads(printed([report("norway")], Format.JSON))
    both = json.loads(printed([report("norway"), report("sweden")], Format.JSON))
    assert one == both[0]
    assert one["as_of"] == "2026-03-31T22:30:00Z"
    assert one["rows"][0]["amount_0"] == 12345678.12
    assert both[1]["connection"] == "sweden"


def test_csv_is_one_table_whose_rows_say_what_they_are_about() -> None:
    other = report("norway", (Column("rule", "Rule"),))
    text = printed([report("norway"), report("sweden"), other], Format.CSV)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["connection"] for row in rows] == ["norway", "sweden"]
    assert {row["as_of"] for row in rows} == {"2026-03-31T22:30:00Z"}
    assert rows[0]["currency"] == "NOK"
    assert rows[0]["owner_id"] == "71"
    assert rows[0]["amount_0"] == "12345678.12"


def test_a_table_fits_80_columns_with_no_number_broken() -> None:
    text = printed([report("norway")], Format.TABLE)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("12,345,678") == 4
    assert "Forecast" in text
    assert "71" not in text


def test_a_single_row_too_wide_for_the_screen_stands_upright() -> None:
    text = printed([report("norway")], Format.TABLE, width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("12,345,678") == 4


def test_a_table_too_wide_for_the_screen_goes_on_below_with_its_names_again() -> None:
    one = report("norway")
    text = printed([replace(one, rows=[*one.rows, *one.rows])], Format.TABLE, width=40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("12,345,678") == 8
    assert text.count("2026-Q1") == 8
    assert text.count("Kari Nygård") == 8


def test_a_table_of_words_alone_is_shown_however_narrow_the_screen() -> None:
    words = tuple(Column(f"word_{n}", "Word") for n in range(6))
    rows = [{column.key: f"w{n}" for n, column in enumerate(words)}] * 2
    text = printed([Report(title="words", columns=words, rows=rows)], Format.TABLE, width=40)
    assert all(text.count(f"w{n}") == 2 for n in range(6))


def test_notes_stay_indented() -> None:
    notes = printed([report("norway")], Format.TABLE).split("A note")[1].splitlines()
    assert notes[1].startswith("  ")


def test_an_empty_table_is_its_title_and_notes() -> None:
    empty = Report(title="alerts", columns=COLUMNS, rows=[], notes=["None."])
    assert printed([empty], Format.TABLE).split() == ["alerts", "None."]


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_output_that_cannot_be_written_says_so() -> None:
    with pytest.raises(TransientError, match="No space left on device"):
        show([report("norway")], Format.JSON, Console(file=Full()))


def test_a_bar_tells_how_many_a_second() -> None:
    now = [0.0]
    progress = Progress(state.Rate(), get_time=lambda: now[0])
    progress.add_task("deals", total=9_000)
    (task,) = progress.tasks
    assert state.Rate().render(task).plain == ""
    for seconds, done in ((1.0, 0), (2.0, 1_500), (3.0, 3_000)):
        now[0] = seconds
        progress.update(task.id, completed=done)
    assert state.Rate().render(task).plain == "1,500/s"


def test_bars_show_the_share_of_the_rate_limit_while_something_is_asked() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, color_system=None)
    with state.bars(console) as bars:
        bars.step("origins", 1, 4)
    assert "rate limit" not in stream.getvalue()
    with state.bars(console) as bars:
        bars.paced_by(lambda: 0.93)
        bars.step("deals", 100, 400)
    assert "93% of the rate limit" in stream.getvalue()


def test_bars_show_the_time_left_at_the_rate_of_late() -> None:
    now = [0.0]
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, width=120, color_system=None, get_time=lambda: now[0]
    )
    with state.bars(console) as bars:
        for seconds, done in ((1.0, 0), (2.0, 1_500), (3.0, 3_000)):
            now[0] = seconds
            bars.step("deals", done, 9_000)
        now[0] = 8.0
    last = stream.getvalue().rsplit("deals", 1)[-1]
    assert "3000/9000 1,500/s" in " ".join(last.split())
    assert "0:00:07 0:00:04" in last, "so long it has taken, so much longer it will"
