"""The sandbox's own addresses: another process plays the salesperson, and the server's manners."""

import asyncio
import subprocess
import sys
import threading

import pytest
import requests
from starlette.types import Message

from sync.sandbox.control import Control
from sync.sandbox.faults import Faults
from sync.sandbox.request_log import Requests
from sync.sandbox.server import serve
from tests.fake_clock import FakeClock
from tests.sandbox.conftest import Client, Start, company, deal

CONTROL = "/_sandbox"


def bare(client: Client, method: str, path: str, body: object = None) -> requests.Response:
    """Without a token."""
    return requests.request(method, client.sandbox.url + CONTROL + path, json=body, timeout=10)


def test_a_salesperson_at_another_terminal(start: Start) -> None:
    client = start()
    a, b, c = client.crm.deal_ids()
    edited = bare(client, "POST", f"/deals/{a}/edit", {"dealstage": "propose", "amount": 5})
    assert edited.json()["amount"] == "5"
    assert client.crm.history(a, "dealstage")[-1]["sourceType"] == "CRM_UI"
    assert bare(client, "POST", f"/deals/{b}/archive").status_code == 200
    assert client.crm.deal_ids() == [a, c]
    assert bare(client, "POST", f"/deals/{b}/restore").status_code == 200
    merged = bare(client, "POST", f"/deals/{a}/merge", {"loser": b}).json()["id"]
    assert client.crm.deal_ids() == [c, merged]
    assert bare(client, "GET", f"/deals/{merged}").json()["dealstage"] == "propose"


def test_its_mistakes_are_answered(start: Start) -> None:
    client = start()
    a = client.crm.id_of("a")
    assert bare(client, "POST", "/deals/77/edit", {"amount": "1"}).status_code == 404
    assert bare(client, "POST", f"/deals/{a}/edit", {"nope": "1"}).status_code == 400
    assert bare(client, "POST", f"/deals/{a}/merge", {"loser": a}).status_code == 409
    assert bare(client, "POST", "/faults", {"kind": "meteor"}).status_code == 400
    assert bare(client, "POST", "/faults", {"colour": "red"}).status_code == 400


def test_faults_requests_and_truth_over_http(start: Start) -> None:
    client = start()
    fault = {"kind": "server_500", "times": 2, "path_contains": "deals"}
    assert bare(client, "POST", "/faults", fault).json()[0]["times"] == 2
    assert client.get("/crm/v3/objects/deals").status_code == 500
    assert bare(client, "GET", "/faults").json()[0]["times"] == 1
    bare(client, "DELETE", "/faults")
    assert client.get("/crm/v3/objects/deals").status_code == 200
    assert [r["status"] for r in bare(client, "GET", "/requests").json()] == [500, 200]
    bare(client, "DELETE", "/requests")
    assert bare(client, "GET", "/requests").json() == []
    assert bare(client, "GET", "/truth").json() == {"win_rate": 0.3}


def test_no_control_from_another_machine(start: Start) -> None:
    control = Control(start().crm, Faults(), Requests).starlette()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    def status(host: str) -> int:
        sent.clear()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/_sandbox/truth",
            "query_string": b"",
            "headers": [],
            "client": (host, 4711),
        }
        asyncio.run(control(scope, receive, send))
        return int(sent[0]["status"])

    assert [status(host) for host in ("127.0.0.1", "::1", "192.0.2.7")] == [200, 200, 403]


def test_two_sandboxes_know_nothing_of_each_other(start: Start) -> None:
    one, two = start(deal("a")), start(deal("a"), deal("b"))
    assert one.sandbox.url != two.sandbox.url
    assert one.sandbox.token != two.sandbox.token
    assert one.get("/crm/v3/objects/deals").json() != two.get("/crm/v3/objects/deals").json()
    foreign = {"Authorization": f"Bearer {two.sandbox.token}"}
    assert one.send("GET", "/crm/v3/objects/deals", headers=foreign).status_code == 401


def test_it_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with serve(company(deal("a")), clock=FakeClock()) as sandbox:
        assert requests.get(sandbox.url, timeout=10).status_code == 404
    assert threading.active_count() == before
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=10)


def test_a_taken_port_is_an_error_at_once() -> None:
    with (
        serve(company(), clock=FakeClock()) as sandbox,
        pytest.raises(OSError, match="already in use"),
    ):
        serve(company(), port=int(sandbox.url.rsplit(":", 1)[1]))


def test_it_serves_in_the_foreground_until_interrupted() -> None:
    program = (
        "from tests.sandbox.conftest import company, deal\n"
        "from sync.sandbox.server import serve\n"
        "with serve(company(deal('a'))) as sandbox:\n"
        "    try:\n"
        "        print(sandbox.url, flush=True)\n"
        "        sandbox.wait()\n"
        "    except KeyboardInterrupt:\n"
        "        print('bye', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(url + "/_sandbox/requests", timeout=10).json() == []
        process.send_signal(2)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "bye\n", "")


def test_many_may_talk_at_once(start: Start) -> None:
    client = start(deal("a"), rate_limit=None)
    a = client.crm.id_of("a")
    failed: list[int] = []

    def talk(worker: int) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {client.sandbox.token}"
            for turn in range(10):
                body = {"properties": {"amount": f"{worker}{turn}"}}
                url = f"{client.sandbox.url}/crm/v3/objects/deals/{a}"
                answer = session.patch(url, json=body, timeout=20)
                if answer.status_code != 200:
                    failed.append(answer.status_code)

    threads = [threading.Thread(target=talk, args=(worker,)) for worker in range(1, 5)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        client.crm.edit(a, {"amount": f"9{turn}"})
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(client.crm.history(a, "amount")) == 51
