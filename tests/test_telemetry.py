"""The log as an operator reads it, and the metrics as a monitoring system does."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sync.telemetry import JobMetrics, configure
from tests.fake_clock import START

TOKEN = "pat-na1-0f9d3c4e-1111-2222-3333-444455556666"
Start = Callable[..., io.StringIO]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def start() -> Iterator[Start]:
    """Configures logging to a new stream; everything is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def configured(
        form: str = "json",
        level: str = "info",
        stream: io.StringIO | None = None,
        environ: dict[str, str] | None = None,
    ) -> io.StringIO:
        stream = stream or io.StringIO()
        configure(form, level, stream, environ=environ or {})  # type: ignore[arg-type]
        return stream

    yield configured
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def failing(message: str) -> None:
    raise RuntimeError(message)


class TestLines:
    def test_json_has_time_level_event_and_fields(self, start: Start) -> None:
        stream = start("json")
        structlog.get_logger().info("pull", connection="main", deals=3, took=1.5)
        (event,) = events(stream)
        assert list(event)[:3] == ["timestamp", "level", "event"]
        assert datetime.fromisoformat(str(event.pop("timestamp"))).utcoffset() == timedelta(0)
        assert event == {
            "level": "info",
            "event": "pull",
            "connection": "main",
            "deals": 3,
            "took": 1.5,
        }

    def test_text_reads_like_a_line(self, start: Start) -> None:
        stream = start("text")
        structlog.get_logger().warning("pull failed", connection="main")
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning  \] pull failed +connection=main\n",
            stream.getvalue(),
        )

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_an_event_is_one_line_whatever_is_in_it(self, start: Start, form: str) -> None:
        stream = start(form)
        structlog.get_logger().error("a\nb\r\nc", detail="d\ne")
        logging.getLogger("apscheduler.x").error("f\ng")
        try:
            failing("h\ni")
        except RuntimeError:
            structlog.get_logger().exception("failed")
            logging.getLogger("x").exception("failed too")
        assert len(stream.getvalue().splitlines()) == 4

    def test_an_exception_says_what_and_where(self, start: Start) -> None:
        stream = start("json")
        try:
            {}["missing"]
        except KeyError:
            structlog.get_logger().exception("bug")
        (event,) = events(stream)
        assert event["raised"] == "KeyError: 'missing'"
        assert re.fullmatch(r"tests/test_telemetry\.py:\d+ test_an_\w+", str(event["trace"]))

    def test_context_bound_in_a_job_is_in_its_lines(self, start: Start) -> None:
        stream = start("json")
        with structlog.contextvars.bound_contextvars(run=7):
            structlog.get_logger().info("in")
        structlog.get_logger().info("out")
        assert [event.get("run") for event in events(stream)] == [7, None]


class TestLevels:
    def test_what_matters_less_is_left_out(self, start: Start) -> None:
        stream = start("json", "warning")
        log = structlog.get_logger()
        log.info("no")
        log.warning("yes")
        logging.getLogger("any").info("no")
        assert [event["event"] for event in events(stream)] == ["yes"]

    @pytest.mark.parametrize(
        "name", ["hubspot.rest", "urllib3.connectionpool", "sqlalchemy.engine"]
    )
    def test_libraries_that_log_bodies_stay_quiet_even_at_debug(
        self, start: Start, name: str
    ) -> None:
        stream = start("json", "debug")
        logging.getLogger(name).debug("response body: ...")
        logging.getLogger(name).info("SELECT name FROM deal")
        logging.getLogger(name).warning("pool is full")
        assert [event["event"] for event in events(stream)] == ["pool is full"]

    def test_the_schedulers_chatter_only_at_debug(self, start: Start) -> None:
        for level, lines in (("info", 0), ("debug", 1)):
            stream = start("json", level)
            logging.getLogger("apscheduler.scheduler").info("Added job")
            assert len(events(stream)) == lines

    def test_configuring_again_does_not_double_the_lines(self, start: Start) -> None:
        first, second = start("json"), start("json")
        structlog.get_logger().info("once")
        logging.getLogger("x").warning("once")
        assert first.getvalue() == ""
        assert len(events(second)) == 2


class TestColours:
    @pytest.mark.parametrize(
        ("stream", "environ", "coloured"),
        [
            (Terminal, {}, True),
            (Terminal, {"NO_COLOR": ""}, True),
            (Terminal, {"NO_COLOR": "1"}, False),
            (io.StringIO, {}, False),
        ],
    )
    def test_only_on_a_terminal_that_wants_them(
        self, start: Start, stream: type[io.StringIO], environ: dict[str, str], coloured: bool
    ) -> None:
        written = start("text", stream=stream(), environ=environ)
        structlog.get_logger().info("x", a=1)
        assert ("\x1b[" in written.getvalue()) is coloured


class TestSecrets:
    @pytest.mark.parametrize("form", ["text", "json"])
    def test_none_gets_into_a_line(self, start: Start, form: str) -> None:
        stream = start(form)
        log = structlog.get_logger()
        log.info("using %s", TOKEN)
        log.info(" ".join(["now", TOKEN]))
        log.info("x", token="hunter2", headers={"Authorization": "hunter2"}, args=[TOKEN])
        log.info("x", url="postgresql://dp:hunter2@db/x", hook="https://hooks.slack.com/services/T")
        log.info("x", error=ConnectionError(f"Bearer {TOKEN}"))
        logging.getLogger("sqlalchemy.pool").error("postgresql://dp:%s@db/x is down", "hunter2")
        logging.getLogger("x").error({"password": "hunter2"})
        try:
            failing(f"password=hunter2 {TOKEN}")
        except RuntimeError:
            log.exception("x")
            logging.getLogger("x").exception("x")
        text = stream.getvalue()
        assert len(text.splitlines()) == 9
        for secret in (TOKEN, TOKEN[8:], "hunter2", "services/T"):
            assert secret not in text

    @given(
        value=st.recursive(
            st.text() | st.integers() | st.floats() | st.none() | st.binary() | st.datetimes(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        )
    )
    def test_any_value_can_be_logged(self, value: object) -> None:
        stream = io.StringIO()
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            configure("json", "info", stream, environ={})
            structlog.get_logger().info("x", value=value)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            structlog.reset_defaults()
        assert len(stream.getvalue().split("\n")) == 2


def samples(metrics: JobMetrics) -> dict[tuple[str, ...], float]:
    """Name and label values -> value, as a monitoring system reads them."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


class TestMetrics:
    def test_runs_rows_and_the_last_success(self) -> None:
        metrics = JobMetrics()
        for outcome, minutes in (("ok", 0), ("ok", 15), ("failed", 30)):
            metrics.job_ended(
                "main",
                "pull",
                outcome,
                ended_at=START + timedelta(minutes=minutes),
                seconds=2,
                counts={"deals": 5},
            )
        found = samples(metrics)
        assert found["dealpulse_job_runs_total", "main", "pull", "ok"] == 2
        assert found["dealpulse_job_runs_total", "main", "pull", "failed"] == 1
        assert found["dealpulse_rows_total", "main", "pull", "deals"] == 15
        assert found["dealpulse_job_duration_seconds_sum", "main", "pull"] == 6
        last = found["dealpulse_job_last_success_timestamp_seconds", "main", "pull"]
        assert datetime.fromtimestamp(last, UTC) == START + timedelta(minutes=15)

    def test_a_state_that_is_gone_counts_as_nothing(self) -> None:
        metrics = JobMetrics()
        metrics.mirror_holds("main", deals={"open": 9, "won": 1}, open_alerts={"stale": 4})
        metrics.mirror_holds("other", deals={"open": 2}, open_alerts={"stale": 1})
        metrics.mirror_holds("main", deals={"open": 8}, open_alerts={})
        found = samples(metrics)
        assert found["dealpulse_deals", "main", "open"] == 8
        assert found["dealpulse_deals", "main", "won"] == 0
        assert found["dealpulse_open_alerts", "main", "stale"] == 0
        assert found["dealpulse_open_alerts", "other", "stale"] == 1

    def test_requests_add_up(self) -> None:
        metrics = JobMetrics()
        metrics.requests_sent("main", 3)
        metrics.requests_sent("main", 4)
        assert samples(metrics)["dealpulse_crm_requests_total", "main"] == 7

    def test_two_sets_of_metrics_share_nothing(self) -> None:
        one, other = JobMetrics(), JobMetrics()
        one.requests_sent("main", 3)
        assert ("dealpulse_crm_requests_total", "main") not in samples(other)
