"""A lot is compared and merged by the database: what it is told does not grow with the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sync.crm.base import Deal, Field
from sync.mirror.write import PageCounts
from tests.mirror.records import HISTORY, deal, minutes, moved, save


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What the database is told meanwhile. Postgres says it itself, row by row where so it is told,
    COPY included; of SQLite, in whose process there is no telling, the driver is asked."""
    told: list[str] = []
    if engine.dialect.name == "sqlite":

        def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            told.append(statement)

        event.listen(engine, "before_cursor_execute", hear)
        yield told
        event.remove(engine, "before_cursor_execute", hear)
        return

    def notice(diagnostic: Any) -> None:
        if diagnostic.severity_nonlocalized == "LOG":
            told.append(diagnostic.message_primary)

    def configure(driver: Any, _record: Any) -> None:
        driver.add_notice_handler(notice)
        driver.execute("SET client_min_messages = log")
        driver.execute("SET log_statement = 'all'")
        driver.commit()
        told.clear()

    engine.dispose()
    event.listen(engine, "connect", configure)
    yield told
    event.remove(engine, "connect", configure)
    engine.dispose()


def lot(rows: int, step: int) -> list[Deal]:
    """Of each four, in a later step, two are changed, one is as it was and one older."""
    if not step:
        return [deal(str(n)) for n in range(rows)]
    later = minutes(step)
    return [
        deal(str(n), amount=Decimal(step), stage_id=f"stage {step}", modified_at=later)
        if n % 4 < 2
        else deal(str(n), modified_at=minutes(-1 if n % 4 == 2 else 0))
        for n in range(rows)
    ]


@pytest.fixture
def may_log(engine: Engine) -> None:
    if engine.dialect.name == "postgresql":
        with engine.connect() as database:
            if not database.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = user")):
                pytest.skip("only a superuser may have statements logged")


@pytest.mark.usefixtures("may_log")
@pytest.mark.parametrize("history", [HISTORY, frozenset[Field]()], ids=["told", "compared"])
def test_statements_do_not_grow_with_the_rows(engine: Engine, history: frozenset[Field]) -> None:
    counts: dict[int, list[int]] = {}
    done: list[PageCounts] = []
    for rows in (8, 400):
        counts[rows] = []
        for step in range(3):
            with statements(engine) as told:
                deals = lot(rows, step)
                changes = [moved(d.deal_id, None, f"s{step}", minutes(step)) for d in deals]
                page: Any = {"changes": changes if history else [], "history": history}
                done.append(save(engine, *deals, connection=f"with {rows}", **page))
                counts[rows].append(len(told))
            if engine.dialect.name == "postgresql":
                assert any("COPY" in statement for statement in told)
    assert counts[400] == counts[8]
    assert [(each.created, each.updated) for each in done[3:]] == [(400, 0), (0, 200), (0, 200)]
