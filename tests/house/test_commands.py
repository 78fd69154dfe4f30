"""The page of commands says what the program says."""

from pathlib import Path

from sync.cli.reference import render

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_of_commands_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render(), "run `make config`"
