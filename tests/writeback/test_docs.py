"""The page on write-back says what the code does."""

import re
from decimal import Decimal
from pathlib import Path

from sync.writeback.fields import KINDS, labels
from sync.writeback.journal import State
from sync.writeback.plan import RELATIVE_TOLERANCE, RIDERS, TOLERANCE

PAGE = (Path(__file__).parents[2] / "docs" / "write-back.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """The first table whose header begins with `heading`: first cell -> the other cells."""
    block = PAGE.split(f"| {heading}", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in block.split("\n")]
    return {cells[0].strip("`"): cells[1:] for cells in rows[2:]}


def test_every_property_is_described_under_its_label() -> None:
    described = table("property | label")
    assert {name: cells[0] for name, cells in described.items()} == labels("en")


def test_the_tolerances_are_those_of_the_code() -> None:
    stated = {name: cells[0] for name, cells in table("property | left as it is while").items()}
    assert list(stated) == list(KINDS)
    for name, text in stated.items():
        number = re.match(r"[\d.]+", text)
        if name in RIDERS:
            assert text.startswith("never a reason by itself")
        elif name in RELATIVE_TOLERANCE:
            assert number
            assert text.startswith(f"{number[0]} %")
            assert Decimal(number[0]) / 100 == RELATIVE_TOLERANCE[name]
        else:
            assert (Decimal(number[0]) if number else None) == TOLERANCE.get(name)


def test_every_state_of_the_journal_is_described() -> None:
    assert set(table("state | meaning")) == {state.value for state in State}
