"""Each adapter's BEHAVIOR.md names only tests and files that exist, and both in every row."""

import ast
import re
from pathlib import Path

import pytest

import sync.crm

CRM = Path(sync.crm.__path__[0])
TESTS = Path(__file__).parent.parent
ROOMS = {
    "hubspot": ("crm", "jobs", "contract"),
    "pipedrive": ("crm_pipedrive", "contract"),
    "files": ("crm_files", "contract"),
}
"""Where the tests are that an adapter's page names."""

MORE_THAN = {"hubspot": 40, "pipedrive": 45, "files": 30}
"""Rows; a page that lost its table would pass every other check."""


def rows(adapter: str) -> list[list[str]]:
    page = (CRM / adapter / "BEHAVIOR.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("What", "---")]


@pytest.mark.parametrize("adapter", ROOMS)
def test_every_row_is_shown_by_a_test_that_exists(adapter: str) -> None:
    names = {
        node.name
        for room in ROOMS[adapter]
        for file in (TESTS / room).glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(rows(adapter)) > MORE_THAN[adapter]
    for row in rows(adapter):
        assert len(row) == 5, row
        shown_by = re.findall(r"`(test_\w+)`", row[4])
        assert shown_by, row
        assert not set(shown_by) - names, row


@pytest.mark.parametrize("adapter", ROOMS)
def test_every_row_says_where_it_is_handled(adapter: str) -> None:
    for row in rows(adapter):
        files = re.findall(r"`(\w+\.py)`", row[3])
        assert files, row
        for file in files:
            assert (CRM / adapter / file).exists() or (CRM / file).exists(), row


def test_every_adapter_has_a_page() -> None:
    assert {page.parent.name for page in CRM.glob("*/BEHAVIOR.md")} == set(ROOMS)
    assert {part.parent.name for part in CRM.glob("*/source.py")} == set(ROOMS)
