"""A first load killed at half: what was committed stays, little is asked again, nothing twice."""

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench import stub
from bench.sync_clients import dealpulse
from sync.crm.hubspot.deal_calls import LIST_LIMIT, SEARCH_LIMIT
from sync.crm.hubspot.first_load import LOTS
from sync.crm.hubspot.readers import LIST_THREADS, SEARCH_THREADS
from sync.crm.hubspot.side_by_side import most_in_hand
from sync.mirror import read, schema
from sync.mirror.engine import open_engine, reading

DEALS = {"by ranges": 40_000, "by searches": 30_000}
"""A tenth is far more than what a load has in hand, see IN_HAND, however slow its writer."""

IN_HAND = {
    "by ranges": most_in_hand(DEALS["by ranges"] // LOTS, LIST_LIMIT, LIST_THREADS),
    "by searches": most_in_hand(DEALS["by searches"] // LOTS, SEARCH_LIMIT, SEARCH_THREADS),
}


@pytest.mark.parametrize("way", DEALS)
def test_killed_at_half_at_most_a_tenth_is_asked_again(
    database_url: str, tmp_path: Path, way: str
) -> None:
    deals = DEALS[way]
    tenth = deals // 10
    assert IN_HAND[way] <= tenth * 3 / 5, "the rest is for probes and for ranges that are split"
    settings = stub.Settings(deals, opaque=way == "by searches", silent_after=deals * 3 // 4)
    with stub.serve(settings) as server:
        begun = multiprocessing.get_context("spawn").Process(
            target=dealpulse, args=(server.url, database_url, str(tmp_path))
        )
        begun.start()
        shown = again = 0
        while shown < deals // 2:
            counted = server.counted()
            shown, again = shown + counted.shown, again + counted.again
            begun.join(0.002)
            assert begun.is_alive(), "it cannot end: the stub falls silent before"
        begun.kill()
        begun.join()
        server.go_on()

        engine = open_engine(database_url)
        committed = read.deal_count(engine, "bench")
        assert 0 < committed < deals

        created = dealpulse(server.url, database_url, str(tmp_path))["deals"]
        again += server.counted().again

    assert again <= tenth
    assert created == deals - committed, "nothing comes twice"
    ids = schema.deal.c.deal_id
    with reading(engine) as snapshot:
        held = snapshot.execute(select(func.count(), func.count(ids.distinct()))).one()
    engine.dispose()
    assert tuple(held) == (deals, deals)
