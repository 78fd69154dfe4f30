"""Killed without warning in the middle, then run again: nothing lost, nothing twice."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from sync.crm.hubspot.deal_calls import LIST_LIMIT
from sync.crm.hubspot.side_by_side import most_in_hand
from sync.errors import DealpulseError
from sync.mirror import read, schema
from sync.mirror.engine import open_engine
from sync.sandbox.behaviour import Behaviour
from sync.sandbox.faults import FaultKind
from sync.sandbox.generator import generate
from sync.sandbox.server import Sandbox, serve
from tests.end_to_end.conftest import Installation
from tests.fake_clock import FakeClock

DEALS = 900
IN_HAND = most_in_hand(lot=LIST_LIMIT, page=LIST_LIMIT, threads=1) // LIST_LIMIT
"""Pages of a load that wait, that are being committed, and one on its way."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    clock = FakeClock()
    company = generate(seed=11, until=clock.now(), years=1, deals=DEALS)
    with serve(company, clock=clock, behaviour=Behaviour(rate_limit=None)) as running:
        yield running


@pytest.fixture
def installation(sandbox: Sandbox, tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path, sandbox.url, sandbox.token, database_url).write()


FOR_EVER_S = 600.0
"""A process whose request hangs so long cannot end before it is killed."""


def kill_when(process: "subprocess.Popen[str]", seen: Callable[[], bool]) -> None:
    """SIGKILL as soon as `seen`; fails if the process ends before."""
    deadline = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < deadline, "it never came to that point"
        try:
            process.wait(timeout=0.005)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"it ended first: {process.stderr and process.stderr.read()}")
    process.kill()
    process.communicate()


def committed(engine: Engine) -> int:
    """Deals in the mirror; none before its tables are there."""
    try:
        return read.deal_count(engine, "portal")
    except DealpulseError:
        return 0


def list_pages(sandbox: Sandbox) -> list[str]:
    return [
        r.query
        for r in list(sandbox.requests)
        if r.method == "GET"
        and r.path.endswith(("/deals", "/0-3"))
        and "archived=true" not in r.query
        and "pipelines" not in r.path
        and "properties" not in r.path.split("?")[0]
    ]


def test_a_first_load_killed_half_way_resumes_and_equals_the_crm(
    installation: Installation, sandbox: Sandbox
) -> None:
    # the bin's page and four of the list are answered, all others hang
    sandbox.faults.add(
        "hang_before",
        seconds=FOR_EVER_S,
        after=5,
        times=-1,
        path_contains="/objects/",
        method="GET",
    )
    process = installation.start("sync")
    engine = open_engine(installation.database_url)
    kill_when(process, lambda: len(list_pages(sandbox)) >= 3 and committed(engine) > 0)
    sandbox.faults.clear()
    before = list_pages(sandbox)
    sandbox.requests.clear()

    again = installation.run("sync")
    assert again.returncode == 0, again.stderr
    after = list_pages(sandbox)
    assert set(before) - set(after), "what was committed is not asked for again"
    assert len(set(before) & set(after)) <= IN_HAND, "only what was in hand is"
    assert len(before) + len(after) <= DEALS // 100 + IN_HAND

    with engine.connect() as database:
        rows = {row.deal_id: row for row in database.execute(select(schema.deal))}
        stages = Counter(
            database.scalars(
                select(schema.deal_change.c.deal_id).where(schema.deal_change.c.field == "stage")
            )
        )
    engine.dispose()
    assert set(rows) == set(sandbox.crm.deal_ids())
    for deal_id, row in rows.items():
        deal = sandbox.crm.deal(deal_id)
        assert row.stage_id == deal["dealstage"]
        assert row.amount == (Decimal(deal["amount"]) if deal["amount"] else None)
        values = [entry["value"] for entry in sandbox.crm.history(deal_id, "dealstage")]
        moves = sum(a != b for a, b in zip([None, *values], values, strict=False))
        assert stages[deal_id] == moves


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_write_back_killed_half_way_writes_nothing_twice(
    installation: Installation, sandbox: Sandbox, lost: str
) -> None:
    assert installation.run("sync").returncode == 0
    # the second batch hangs, before or after the CRM has done it, and there the process dies
    kind: FaultKind = "hang_before" if lost == "request" else "hang_after_commit"
    sandbox.faults.add(kind, seconds=FOR_EVER_S, after=1, times=1, path_contains="/batch/update")
    process = installation.start("writeback", "apply")
    kill_when(process, lambda: not sandbox.faults.pending())

    again = installation.run("writeback", "apply")
    assert again.returncode == 0, again.stderr
    written: Counter[tuple[str, str]] = Counter()
    for deal_id in sandbox.crm.deal_ids():
        for name, value in sandbox.crm.deal(deal_id).items():
            if not name.startswith("dealpulse_") or not value:
                continue
            entries = sandbox.crm.history(deal_id, name)
            assert {entry["value"] for entry in entries} == {value}
            written[deal_id, name] = len(entries)
    assert written
    assert set(written.values()) == {1}
    third = installation.run("writeback", "apply")
    assert third.returncode == 0
    assert "nothing new" in third.stderr


class Webhook:
    """A chat service that takes a message and, when told to, never answers."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.silent = threading.Event()
        self.released = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.messages.append(json.loads(body)["text"])
                if hook.silent.is_set():
                    hook.released.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/x"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    hook = Webhook()
    monkeypatch.setenv("TEST_WEBHOOK_URL", hook.url)
    yield hook
    hook.close()


def test_alerts_killed_while_sending_are_not_sent_twice(
    installation: Installation, sandbox: Sandbox, webhook: Webhook
) -> None:
    channel = {"kind": "webhook", "url_env": "TEST_WEBHOOK_URL"}
    installation.extra = {"alerts": {"channels": [channel]}}
    installation.write()
    assert installation.run("sync").returncode == 0

    webhook.silent.set()
    process = installation.start("alerts", "send")
    kill_when(process, lambda: len(webhook.messages) >= 1)
    webhook.silent.clear()
    webhook.released.set()
    for _ in range(2):
        again = installation.run("alerts", "send")
        assert again.returncode == 0, again.stderr
    assert len(webhook.messages) > 1
    lines = [line for text in webhook.messages for line in text.splitlines() if "0-3/" in line]
    assert lines
    assert len(lines) == len(set(lines)), "the same deal came twice"
