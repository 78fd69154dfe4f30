"""Text that a spreadsheet would run as a formula, made harmless. Pure."""

import re
from typing import Final

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER: Final = re.compile(r"[-+]?\d+([.,]\d+)?")


def harmless(cell: object) -> object:
    """A text that begins like a formula gets a `'` in front, which spreadsheets show as text; a
    plain number, also a negative one, stays a number."""
    if isinstance(cell, str) and cell.startswith(_STARTS) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
