"""Only one worker holds the lease, whoever asks and however many at once."""

import subprocess
import sys
from datetime import timedelta

from sqlalchemy import Engine

from sync.mirror.lease import acquire, release, renew
from tests.fake_clock import FakeClock

TTL = timedelta(minutes=2)


def test_a_lease_has_one_holder(engine: Engine, clock: FakeClock) -> None:
    assert acquire(engine, "worker", "a", ttl=TTL, now=clock.now())
    assert not acquire(engine, "worker", "b", ttl=TTL, now=clock.now())
    assert acquire(engine, "worker", "a", ttl=TTL, now=clock.now())
    assert acquire(engine, "another", "b", ttl=TTL, now=clock.now())


def test_a_lease_that_ran_out_can_be_taken(engine: Engine, clock: FakeClock) -> None:
    acquire(engine, "worker", "a", ttl=TTL, now=clock.now())
    clock.advance(seconds=119)
    assert not acquire(engine, "worker", "b", ttl=TTL, now=clock.now())
    clock.advance(seconds=1)
    assert acquire(engine, "worker", "b", ttl=TTL, now=clock.now())
    assert not renew(engine, "worker", "a", ttl=TTL, now=clock.now())
    assert not release(engine, "worker", "a")


def test_a_renewed_lease_lasts(engine: Engine, clock: FakeClock) -> None:
    acquire(engine, "worker", "a", ttl=TTL, now=clock.now())
    clock.advance(seconds=119)
    assert renew(engine, "worker", "a", ttl=TTL, now=clock.now())
    clock.advance(seconds=119)
    assert not acquire(engine, "worker", "b", ttl=TTL, now=clock.now())
    clock.advance(seconds=60)
    assert renew(engine, "worker", "a", ttl=TTL, now=clock.now())  # late, but nobody took it


def test_a_released_lease_is_free(engine: Engine, clock: FakeClock) -> None:
    assert not renew(engine, "worker", "a", ttl=TTL, now=clock.now())
    acquire(engine, "worker", "a", ttl=TTL, now=clock.now())
    assert not release(engine, "worker", "b")
    assert release(engine, "worker", "a")
    assert acquire(engine, "worker", "b", ttl=TTL, now=clock.now())


CONTENDER = """
import sys
from datetime import datetime, timedelta
from sync.mirror.engine import open_engine
from sync.mirror.lease import acquire
engine, holder = open_engine(sys.argv[1]), sys.argv[2]
now, ttl = datetime.fromisoformat(sys.argv[3]), timedelta(minutes=2)
won = [str(n) for n in range(50) if acquire(engine, f"lease {n}", holder, ttl=ttl, now=now)]
print(" ".join(won))
"""


def test_two_processes_never_both_win(database_url: str, engine: Engine, clock: FakeClock) -> None:
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, database_url, holder, clock.now().isoformat()],
            stdout=subprocess.PIPE,
            text=True,
        )
        for holder in ("a", "b")
    ]
    won = [
        name for contender in contenders for name in contender.communicate(timeout=60)[0].split()
    ]
    assert sorted(won, key=int) == [str(number) for number in range(50)]
