"""`dealpulse changes` on a pulled account: every table adds up, opens into deals, and bad days are
refused with what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from sync.cli.main import app
from sync.errors import ConfigError
from sync.sandbox.generator import generate
from sync.sandbox.server import serve
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import START, FakeClock


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Pulled and assessed twice, eight days apart."""
    home = tmp_path_factory.mktemp("changes")
    clock = FakeClock(START)
    with serve(generate(seed=11, until=START, years=1, deals=250), clock=clock) as sandbox:
        url = f"sqlite:///{home / 'dealpulse.db'}"
        installed = Installation(home, sandbox.url, sandbox.token, url, write_back=False).write()
        with installed.app(clock) as opened:
            run_jobs(opened)
            clock.advance(days=8)
            run_jobs(opened)
        yield installed


def asked(installation: Installation, *arguments: str) -> Any:
    runner = CliRunner(env={**installation.environ, "DEALPULSE_CONFIG": str(installation.config)})
    return runner.invoke(app, ["changes", *arguments])


def shown(installation: Installation, *arguments: str) -> list[dict[str, Any]]:
    done = asked(installation, *arguments, "--format", "json")
    assert done.exception is None, done.exception
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    return reports


def cents(amount: float) -> int:
    return round(amount * 100)


@pytest.mark.parametrize("since", ["monday", "30d", "quarter", "6w"])
def test_every_table_adds_up_and_opens_into_its_deals(
    installation: Installation, since: str
) -> None:
    tables = shown(installation, "--since", since)
    opened = shown(installation, "--since", since, "--deals")
    assert [table["measure"] for table in tables] == ["open", "open", "weighted", "expected"]
    for table, behind in zip(tables[:3], opened[:3], strict=True):
        start, *moves, end = table["rows"]
        assert (start["move"], end["move"]) == ("start", "end")
        assert cents(start["amount"]) + sum(cents(m["amount"]) for m in moves) == cents(
            end["amount"]
        )
        for move in moves:
            deals = [row for row in behind["rows"] if row["move"] == move["move"]]
            assert len(deals) == move["deals"]
            assert sum(cents(deal["amount"]) for deal in deals) == cents(move["amount"])
        for said in ("definition", "as_of", "since", "until", "currency", "sample", "left_out"):
            assert said in table


def test_the_forecast_of_two_weeks_adds_up(installation: Installation) -> None:
    forecast = shown(installation, "--since", "10d")[3]
    start, *moves, end = forecast["rows"]
    assert moves
    assert cents(start["amount"]) + sum(cents(m["amount"]) for m in moves) == cents(end["amount"])
    assert forecast["method"]


def test_csv_says_which_table_a_row_is_of(installation: Installation) -> None:
    heading, first, *_ = asked(installation, "--since", "30d", "--format", "csv").stdout.split("\n")
    assert heading == "connection,as_of,currency,measure,period,label,move,deals,amount"
    assert ",open,,Start,start," in first


def test_the_sentence_on_top(installation: Installation) -> None:
    told = " ".join(asked(installation, "--since", "30d").stdout.split())
    assert re.match(
        r"portal: The open pipeline (rose|fell) by [\d,.]+ to [\d,.]+ NOK: "
        r"\w+ ?\w* [+\N{MINUS SIGN}]",
        told,
    )


def test_the_sentence_in_norwegian(installation: Installation) -> None:
    settings = installation.config.read_text(encoding="utf-8")
    installation.config.write_text(f"{settings}language: nb\n", encoding="utf-8")
    try:
        first = shown(installation, "--since", "30d")[0]
    finally:
        installation.config.write_text(settings, encoding="utf-8")
    assert re.match(r"portal: Åpne avtaler (økte|falt) med ", first["title"])
    assert "Nye avtaler" in {row["label"] for row in first["rows"]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--since", "2999-01-01"), "is in the future"),
        (("--since", "1999-01-01"), "the history of portal begins on"),
        (("--since", "soon"), "'soon' is no day; write a day such as"),
        (("--since", "10d", "--until", "20d"), "is before --since"),
    ],
)
def test_days_that_cannot_be(
    installation: Installation, arguments: tuple[str, ...], told: str
) -> None:
    refused = asked(installation, *arguments).exception
    assert isinstance(refused, ConfigError)
    assert told in str(refused)
