"""Hundreds of seeds with `make campaign SEEDS=300`; one with `make campaign SEED=17`."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select

from sync.jobs import chain
from sync.mirror import schema
from sync.mirror.engine import reading, writing
from sync.sandbox.server import Behaviour, serve
from tests.campaign import truth
from tests.campaign.campaign import run
from tests.campaign.desk import Desk, Ledger
from tests.campaign.mortal import Killed, mortal, raise_killed
from tests.crm.conftest import company, deal
from tests.end_to_end.conftest import Installation, run_jobs
from tests.fake_clock import FakeClock

FEW = 4
"""Seeds of an ordinary test run; with number 3 a process is killed by the system."""


def seeds() -> range:
    one, first = os.environ.get("SEED"), int(os.environ.get("FIRST") or 0)
    if one:
        return range(int(one), int(one) + 1)
    return range(first, first + int(os.environ.get("SEEDS") or FEW))


@pytest.mark.parametrize("seed", seeds(), ids=lambda seed: f"seed {seed}")
def test_after_faults_and_kills_the_mirror_equals_the_crm_and_nothing_happened_twice(
    seed: int, tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "mirror.db")
    outcome = run(seed, tmp_path, f"sqlite:///{tmp_path / 'mirror.db'}")
    told = "\n".join([*outcome.log, "", *outcome.wrong, f"again: make campaign SEED={seed}"])
    assert not outcome.wrong, told


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


def test_what_is_wrong_would_be_seen(tmp_path: Path, database_url: str, clock: FakeClock) -> None:
    switches = Behaviour(rate_limit=None)
    with serve(company([deal(k) for k in "abcd"]), clock=clock, behaviour=switches) as sandbox:
        home = Installation(tmp_path, sandbox.url, sandbox.token, database_url).write()
        with home.app(clock) as app:
            run_jobs(app, chain.PULL)
            assert truth.differences(sandbox.crm, app.engine) == []
            a, b, c, d = sandbox.crm.deal_ids()
            sandbox.crm.archive(a)
            new = sandbox.crm.create({"dealname": "New"})
            with writing(app.engine) as transaction:
                _spoil(transaction, lost=b, doubled=c, altered=d)
            found = truth.differences(sandbox.crm, app.engine)
    assert found[:2] == [f"{new}: not in the mirror", f"{a}: only in the mirror"]
    assert [line.split(" [")[0] for line in found[2:]] == [
        f"{b}: history of stage",
        f"{c}: history of amount",
        f"{d}: stage_id 'offer', in the CRM 'new'",
    ]


def _spoil(transaction: Connection, *, lost: str, doubled: str, altered: str) -> None:
    """A row of history less, one twice, and a value that the CRM does not have."""
    change, deals = schema.deal_change, schema.deal
    stage = (change.c.deal_id == lost, change.c.field == "stage")
    transaction.execute(change.delete().where(*stage))
    amount = (change.c.deal_id == doubled, change.c.field == "amount")
    row = transaction.execute(select(change).where(*amount)).one()
    transaction.execute(change.insert().values({**row._asdict(), "ordinal": 1}))
    transaction.execute(deals.update().where(deals.c.deal_id == altered).values(stage_id="offer"))


def test_what_happens_twice_would_be_seen(tmp_path: Path, clock: FakeClock) -> None:
    desk = Desk(tmp_path / "desk.txt")
    desk.file.write_text("1\n2\n3\n2\n", "utf-8")
    assert desk.twice() == ["alert 2 came 2 times"]
    with serve(company([deal("a")]), clock=clock) as sandbox:
        crm = sandbox.crm
        ledger = Ledger(crm)
        ledger.attach()
        record, token = crm.deals.table.get(crm.id_of("a")), crm.tokens.get(sandbox.token)
        for ledger.run in (1, 1, 2):  # the second is the same call's
            crm.write(crm.deals, record, {"amount": "5"}, token)
        assert (ledger.writes, len(ledger.twice)) == (3, 1)


def test_the_dead_leave_nothing_of_their_last_transaction(engine: Engine) -> None:
    row = {"name": "pull", "holder": "me", "expires_at": FakeClock().now()}
    for steps in (1, 2):  # at the statement, at the commit
        with pytest.raises(Killed), mortal(engine, steps, raise_killed), writing(engine) as one:
            one.execute(schema.lease.insert().values(row))
        with reading(engine) as snapshot:
            assert snapshot.execute(select(func.count()).select_from(schema.lease)).scalar() == 0
