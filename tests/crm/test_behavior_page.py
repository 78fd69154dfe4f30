"""BEHAVIOR.md names only tests and files that exist, and a test in every row."""

import ast
import re
from pathlib import Path

import sync.crm.hubspot

PAGE = Path(sync.crm.hubspot.__path__[0]) / "BEHAVIOR.md"
TESTS = Path(__file__).parent


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("What", "---")]


def test_every_row_is_shown_by_a_test_that_exists() -> None:
    names = {
        node.name
        for file in (*TESTS.glob("test_*.py"), *TESTS.parent.glob("jobs/test_*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(rows()) > 40
    for row in rows():
        assert len(row) == 5, row
        shown_by = re.findall(r"`(test_\w+)`", row[4])
        assert shown_by, row
        assert not set(shown_by) - names, row


def test_every_row_says_where_it_is_handled() -> None:
    for row in rows():
        files = re.findall(r"`(\w+\.py)`", row[3])
        assert files, row
        for file in files:
            assert (PAGE.parent / file).exists() or (PAGE.parent.parent / file).exists(), row
