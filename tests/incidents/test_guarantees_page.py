"""docs/guarantees.md has a row for each incident, and names every test of it."""

import ast
import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "guarantees.md"
INCIDENTS = 32


def named() -> list[tuple[int, str]]:
    """(incident, test) as the page has them."""
    lines = PAGE.read_text("utf-8").splitlines()
    rows = [line for line in lines if re.match(r"\| \d+ \|", line)]
    return [
        (int(row.split("|")[1]), test) for row in rows for test in re.findall(r"`(test_\w+)`", row)
    ]


def incident_tests() -> list[str]:
    return [
        node.name
        for file in HERE.glob("test_hubspot_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_incident_")
    ]


def test_each_incident_has_a_row_and_a_test_named_after_it() -> None:
    assert {number for number, _ in named()} == set(range(1, INCIDENTS + 1))
    for number, test in named():
        assert test.startswith(f"test_incident_{number:02}_")


def test_the_page_names_the_tests_that_there_are_each_once() -> None:
    there = Counter(incident_tests())
    assert Counter(test for _, test in named()) == there
    assert set(there.values()) == {1}
