"""The daemon's web server as a monitoring system and a person meet it: over real HTTP."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ConfigError, TransientError
from sync.telemetry import JobMetrics
from sync.web import page
from sync.web.app import create_app
from sync.web.server import RunningServer, serve_in_thread
from sync.web.status import ConnectionStatus, ForecastTotal, JobRun, StatusSnapshot
from tests.fake_clock import START

GOOD = StatusSnapshot(
    as_of=START,
    cycle=timedelta(minutes=15),
    version="1.0",
    connections=[
        ConnectionStatus(
            name="main",
            kind="hubspot",
            last_pull_at=START - timedelta(minutes=3),
            runs=[
                JobRun(
                    "pull", "ok", START - timedelta(minutes=4), START, counts={"deals": 12, "x": 0}
                ),
                JobRun("write_back", "failed", START, START, error="scope <b>missing</b>"),
            ],
            deals={"open": 5, "won": 4, "lost": 3},
            open_alerts={"stale": 2},
            forecasts=[
                ForecastTotal(
                    "2026-Q1",
                    "opportunity_stage",
                    "crm",
                    "NOK",
                    1234567.5,
                    1e6,
                    5e6,
                    234567.5,
                    None,
                    7,
                    p10=900_000.0,
                    p90=1_600_000.0,
                )
            ],
        )
    ],
)


@contextmanager
def serving(status: Callable[[], StatusSnapshot]) -> Iterator[RunningServer]:
    with serve_in_thread(create_app(status, JobMetrics()), "127.0.0.1", 0) as server:
        yield server


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    with serving(lambda: GOOD) as server:
        yield server.url


def unreachable() -> StatusSnapshot:
    raise TransientError("the database at postgresql://dp:s3cret@db/x does not answer")


class TestHealth:
    def test_live(self, good: str) -> None:
        answer = requests.get(f"{good}/health/live", timeout=5)
        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})

    def test_ready(self, good: str) -> None:
        answer = requests.get(f"{good}/health/ready", timeout=5)
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "checks": [
                {"name": "database", "ok": True, "detail": "answers"},
                {"name": "schema", "ok": True, "detail": "current"},
                {"name": "pull:main", "ok": True, "detail": "last succeeded 3 min ago"},
            ],
        }

    def test_not_ready_names_the_check_and_why(self) -> None:
        state = StatusSnapshot(
            START, timedelta(minutes=15), [ConnectionStatus("main", "hubspot", None)], "1.0"
        )
        with serving(lambda: state) as server:
            answer = requests.get(f"{server.url}/health/ready", timeout=5)
        assert answer.status_code == 503
        assert answer.json()["checks"][-1] == {
            "name": "pull:main",
            "ok": False,
            "detail": "no pull has succeeded yet",
        }

    def test_an_unreachable_database(self) -> None:
        with serving(unreachable) as server:
            ready = requests.get(f"{server.url}/health/ready", timeout=5)
            live = requests.get(f"{server.url}/health/live", timeout=5)
            home = requests.get(server.url, timeout=5)
        assert (ready.status_code, live.status_code, home.status_code) == (503, 200, 503)
        for text in (ready.text, home.text):
            assert "does not answer" in text
            assert "s3cret" not in text

    def test_live_while_the_database_hangs(self) -> None:
        asked, release = threading.Event(), threading.Event()

        def hanging() -> StatusSnapshot:
            asked.set()
            release.wait(30)
            return GOOD

        with serving(hanging) as server:
            slow = threading.Thread(
                target=requests.get, args=[f"{server.url}/health/ready"], kwargs={"timeout": 30}
            )
            slow.start()
            assert asked.wait(10)
            assert requests.get(f"{server.url}/health/live", timeout=5).status_code == 200
            release.set()
            slow.join()


class TestMetrics:
    def test_prometheus_can_read_them(self) -> None:
        metrics = JobMetrics()
        metrics.job_ended("main", "pull", "ok", ended_at=START, seconds=2.5, counts={"deals": 7})
        with serve_in_thread(create_app(lambda: GOOD, metrics), "127.0.0.1", 0) as server:
            answer = requests.get(f"{server.url}/metrics", timeout=5)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        wanted = 'dealpulse_job_runs_total{connection="main",job_name="pull",outcome="ok"} 1.0'
        assert wanted in answer.text


class _Outline(HTMLParser):
    """The page as a browser's parser sees it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data


class TestPage:
    def test_it_shows_connections_runs_alerts_and_forecasts(self, good: str) -> None:
        answer = requests.get(good, timeout=5)
        outline = _Outline(answer.text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert outline.open == []
        assert "stale 2" in outline.text
        assert "open 5, won 4, lost 3" in outline.text
        assert "Forecast, all 7 open deals, NOK" in outline.text
        assert "1,234,568" in outline.text
        assert "900,000" in outline.text
        assert "1,600,000" in outline.text
        assert "opportunity stage (CRM)" in outline.text
        assert "deals 12" in outline.text
        assert "Ready" in outline.text

    def test_it_brings_nothing_from_elsewhere(self, good: str) -> None:
        answer = requests.get(good, timeout=5)
        tags = _Outline(answer.text).tags
        assert not [tag for tag, _ in tags if tag in ("script", "link", "img", "iframe")]
        assert not [name for _, attrs in tags for name in attrs if name in ("src", "style")]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert page.STYLE_HASH in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"

    def test_it_can_be_read_aloud_and_in_the_dark(self, good: str) -> None:
        html = requests.get(good, timeout=5).text
        tags = _Outline(html).tags
        assert ("html", {"lang": "en"}) in tags
        assert "prefers-color-scheme: dark" in html
        heads = [attrs.get("scope") for tag, attrs in tags if tag == "th"]
        assert heads
        assert set(heads) == {"col", "row"}
        assert sum(tag == "caption" for tag, _ in tags) == sum(tag == "table" for tag, _ in tags)

    def test_markup_in_data_is_shown_not_obeyed(self, good: str) -> None:
        html = requests.get(good, timeout=5).text
        assert "scope &lt;b&gt;missing&lt;/b&gt;" in html

    @given(text=st.text(max_size=40))
    def test_no_text_can_break_the_page(self, text: str) -> None:
        run = JobRun(text, text, START, START, error=text, counts={text: 1})
        total = ForecastTotal(text, text, text, text, 1, 1, 1, 1, 1, 1)
        connection = ConnectionStatus(
            text, text, START, [run], {text: 1}, {text: 1}, forecasts=[total]
        )
        plain = ConnectionStatus("x", "x", START, [run], {"x": 1}, {"x": 1}, forecasts=[total])
        made = page.render(StatusSnapshot(START, timedelta(minutes=1), [connection], text))
        safe = page.render(StatusSnapshot(START, timedelta(minutes=1), [plain], "1"))
        assert {tag for tag, _ in _Outline(made).tags} == {tag for tag, _ in _Outline(safe).tags}
        assert _Outline(made).open == []

    def test_an_empty_house(self) -> None:
        html = page.render(StatusSnapshot(START, timedelta(minutes=1), [], "1.0"))
        assert _Outline(html).open == []

    def test_a_connection_that_has_done_nothing_yet(self) -> None:
        new = ConnectionStatus("new", "hubspot", None)
        html = page.render(StatusSnapshot(START, timedelta(minutes=1), [new], "1.0"))
        assert "never yet" in html
        assert "No job has run yet." in html


class TestServer:
    def test_a_port_of_its_own_on_this_machine_only(self) -> None:
        with serving(lambda: GOOD) as server:
            assert server.port > 0
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)

    def test_after_stopping_nobody_answers(self) -> None:
        with serving(lambda: GOOD) as server:
            requests.get(f"{server.url}/health/live", timeout=5)
        server.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/health/live", timeout=5)

    def test_a_taken_port_says_what_to_do(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigError, match=f"port {port} .*choose another web.host"):
                serve_in_thread(create_app(lambda: GOOD, JobMetrics()), "127.0.0.1", port)

    def test_an_address_that_is_not_ours(self) -> None:
        with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.7"):
            serve_in_thread(create_app(lambda: GOOD, JobMetrics()), "203.0.113.7", 0)

    @pytest.mark.parametrize("path", ["/nothing", "/health", "/../etc/passwd"])
    def test_other_paths_do_not_exist(self, good: str, path: str) -> None:
        assert requests.get(good + path, timeout=5).status_code == 404

    def test_nothing_can_be_changed(self, good: str) -> None:
        for path in ("/", "/health/live", "/health/ready", "/metrics"):
            assert requests.post(good + path, data=json.dumps({}), timeout=5).status_code == 405
