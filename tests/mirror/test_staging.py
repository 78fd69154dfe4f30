"""Rows by the thousand: what is handed over in parts, and once for all, arrives as it was."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from sync.mirror import schema
from sync.mirror.engine import writing
from sync.mirror.merge_deals import incoming
from sync.mirror.plain_rows import Row
from sync.mirror.staging import TOGETHER, insert_new_rows, put
from tests.mirror.records import rows

FIELDS = ("connection", "deal_id", "field", "changed_at", "ordinal", "old", "new", "source")
COUNTS = [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER, 3 * TOGETHER + 7]
SHARED = {
    "nothing": {},
    "the last": {"source": "human"},
    "several": {"source": "human", "old": "it's", "field": "stage", "ordinal": 0},
    "empty": {"new": None, "old": ""},
}
"""Of which columns all rows have one value."""


def made(count: int, shared: dict[str, Any]) -> list[Row]:
    """Rows of which no column but these and the connection has one value throughout; the first and
    the last are alike in most."""
    found = []
    for n in range(count):
        turn = 0 if n == count - 1 else n
        row = {
            "connection": "acme",
            "deal_id": f"{n:03d}",
            "field": f"field {turn % 3}",
            "changed_at": f"2026-01-05T09:00:{turn % 60:02d}.000000Z",
            "ordinal": turn % 5,
            "old": None if turn % 4 else f"old {turn}",
            "new": f"new ? {turn} Ø",
            "source": "human" if turn % 2 else "diff",
        }
        found.append(tuple((row | shared)[name] for name in FIELDS))
    return found


def _columns(given: list[Row]) -> dict[str, Sequence[Any]]:
    return {name: [row[n] for row in given] for n, name in enumerate(FIELDS)}


def held(engine: Engine) -> list[Row]:
    found = sorted(rows(engine, schema.deal_change), key=lambda row: str(row["deal_id"]))
    return [
        tuple(
            row[name].strftime("%Y-%m-%dT%H:%M:%S.%fZ") if name == "changed_at" else row[name]
            for name in FIELDS
        )
        for row in found
    ]


@pytest.mark.parametrize("shared", SHARED.values(), ids=SHARED)
def test_rows_put_are_the_rows_there(engine: Engine, shared: dict[str, Any]) -> None:
    for count in COUNTS:
        given = made(count, shared)
        with writing(engine) as transaction:
            transaction.execute(delete(schema.deal_change))
            put(transaction, schema.deal_change, _columns(given))
        assert held(engine) == given


@pytest.mark.parametrize("shared", SHARED.values(), ids=SHARED)
def test_only_new_rows_are_inserted_and_counted(engine: Engine, shared: dict[str, Any]) -> None:
    for count in COUNTS:
        given = made(count, shared)
        with writing(engine) as transaction:
            transaction.execute(delete(schema.deal_change))
            known = [dict(zip(FIELDS, row, strict=True)) for row in given[1::3]]
            if known:
                added = insert_new_rows(transaction, schema.deal_change, FIELDS, given[1::3])
                assert added == len(known)
                transaction.execute(schema.deal_change.update().values(new="kept"))
            again = insert_new_rows(transaction, schema.deal_change, FIELDS, given)
            assert again == count - len(known)
        new = FIELDS.index("new")
        kept = {row[1]: row[new] for row in held(engine)}
        assert len(kept) == count
        assert {value for n, value in enumerate(kept.values()) if n % 3 == 1} <= {"kept"}
        assert all(kept[row[1]] == row[new] for n, row in enumerate(given) if n % 3 != 1)


def test_rows_that_are_equal_throughout_are_several_all_the_same(engine: Engine) -> None:
    """A temporary table has no key."""
    with writing(engine) as transaction:
        incoming.create(transaction)
        columns = {"deal_id": ["1"] * (TOGETHER + 2), "name": ["Acme"] * (TOGETHER + 2)}
        put(transaction, incoming, columns)
        assert len(transaction.execute(incoming.select()).all()) == TOGETHER + 2
