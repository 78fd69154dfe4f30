"""A first load killed at half: what was committed stays, little is asked again, nothing twice."""

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench import stub
from bench.sync_clients import dealpulse
from sync.mirror import read, schema
from sync.mirror.engine import open_engine, reading

DEALS = 12_000
PAGES = DEALS // 100
BESIDES = 20
"""Account, pipelines, counts and probes of two starts, and what splitting ranges costs."""


@pytest.mark.parametrize("opaque", [False, True], ids=["by ranges", "by searches"])
def test_killed_at_half_at_most_a_tenth_is_asked_again(
    database_url: str, tmp_path: Path, opaque: bool
) -> None:
    pages = PAGES // 2 if opaque else PAGES  # a search shows 200
    with stub.serve(stub.Settings(DEALS, opaque=opaque)) as server:
        begun = multiprocessing.get_context("spawn").Process(
            target=dealpulse, args=(server.url, database_url, str(tmp_path))
        )
        begun.start()
        before = 0
        while before < pages // 2:
            before += server.counted().requests
            begun.join(0.002)
            assert begun.is_alive(), "it ended before it could be killed"
        begun.kill()
        begun.join()
        before += server.counted().requests

        engine = open_engine(database_url)
        committed = read.deal_count(engine, "bench")
        assert 0 < committed < DEALS

        created = dealpulse(server.url, database_url, str(tmp_path))["deals"]
        after = server.counted().requests

    associations = 2 * (DEALS // 120 + 2) if opaque else 0
    assert before + after <= pages * 1.1 + BESIDES + associations
    assert created == DEALS - committed, "nothing comes twice"
    ids = schema.deal.c.deal_id
    with reading(engine) as snapshot:
        held = snapshot.execute(select(func.count(), func.count(ids.distinct()))).one()
    engine.dispose()
    assert tuple(held) == (DEALS, DEALS)
