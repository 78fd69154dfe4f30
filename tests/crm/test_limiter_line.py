"""What a line does to pacing: no call is refused, and little of the rate is lost to that."""

import heapq
import itertools
import threading
from collections import Counter
from datetime import datetime, timedelta
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.crm.hubspot.client import HubSpotClient
from sync.crm.limiter import ACQUAINTED, CERTAINTY, GRAIN_S, WARY_S, Limiter, Window
from sync.sandbox import limits as hubspot
from sync.sandbox.server import Behaviour, serve
from tests.crm.conftest import company, deal
from tests.fake_clock import START, FakeClock


class ThreadsClock:
    """Time passes when all of `threads` sleep or have left, up to the next one's awakening: what
    else the machine does makes nobody late. Sleepers wake a moment late, as everywhere."""

    def __init__(self, threads: int) -> None:
        self._awake = threads
        self._sleepers: list[float] = []
        self._elapsed = 0.0
        self._turned = threading.Condition()

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._turned:
            until = self._elapsed + seconds + 1e-6
            heapq.heappush(self._sleepers, until)
            self._leave()
            while self._elapsed < until:
                self._turned.wait()

    def leave(self) -> None:
        with self._turned:
            self._leave()

    def _leave(self) -> None:
        self._awake -= 1
        if self._awake == 0 and self._sleepers:
            self._elapsed = self._sleepers[0]
            while self._sleepers and self._sleepers[0] <= self._elapsed:
                heapq.heappop(self._sleepers)
                self._awake += 1
            self._turned.notify_all()


Latency = tuple[float, float]


class Line:
    """Calls over a line with these latencies (there, back), counted by HubSpot's own limiter when
    they arrive: `through` and `refused` are their instants. `wait_s`: what a refusal says."""

    def __init__(self, window: Window, latencies: list[Latency], *, wait_s: float = 1.0) -> None:
        self.through: list[float] = []
        self.refused: list[float] = []
        self._window, self._wait_s = window, wait_s
        self._theirs = hubspot.Window(window.limit, window.interval_s)
        self._latencies = itertools.cycle(latencies)
        self._lock = threading.Lock()

    def load(self, *, threads: int, seconds: float) -> None:
        """That many send one call after the other."""
        clock = ThreadsClock(threads)
        limiter = Limiter(share=1.0, clock=clock)
        limiter.declare("all", self._window)

        def one_after_the_other() -> None:
            while clock.monotonic() < seconds:
                self._call(limiter, clock)
            clock.leave()

        loading = [threading.Thread(target=one_after_the_other) for _ in range(threads)]
        for thread in loading:
            thread.start()
        for thread in loading:
            thread.join()

    def _call(self, limiter: Limiter, clock: ThreadsClock) -> None:
        turn = limiter.acquire("all")
        with self._lock:
            there, back = next(self._latencies)
        clock.sleep(there)
        with self._lock:
            now = clock.monotonic()
            counted = self._theirs.wait(now) == 0
            (self.through if counted else self.refused).append(now)
        clock.sleep(back)
        limiter.release(turn)
        if not counted:
            limiter.close_for("all", self._wait_s)


def lines(there: float, back: float) -> st.SearchStrategy[list[Latency]]:
    """Up to so much later than the quickest call, which is one of them."""
    one = st.tuples(st.floats(0.02, 0.02 + there), st.floats(0.02, 0.02 + back))
    return st.lists(one, min_size=6, max_size=15).map(lambda line: [*line, (0.02, 0.02)])


@settings(max_examples=15, deadline=None)
@given(threads=st.integers(4, 6), latencies=lines(0.1, 0.1))
def test_nothing_is_refused_and_97_percent_of_the_window_is_used(
    threads: int, latencies: list[Latency]
) -> None:
    line = Line(Window(190, 10.0), latencies)
    line.load(threads=threads, seconds=40)
    assert line.refused == []
    assert len(line.through) >= 0.97 * 190 * 4


@settings(max_examples=25, deadline=None)
@given(latencies=lines(0.15, 0.15))
def test_searches_lose_only_what_answers_come_later_than_the_quickest(
    latencies: list[Latency],
) -> None:
    line = Line(Window(5, 1.0), latencies)
    line.load(threads=4, seconds=40)
    assert line.refused == []
    late_s = fmean(there + back - 0.04 + GRAIN_S for there, back in latencies)
    assert len(line.through) >= 0.95 * 5 * 40 / (1 + max(late_s, CERTAINTY))


@pytest.mark.parametrize(
    ("delay_s", "share"), [(0.0, 0.98), (0.07, 0.92), (0.15, 0.97), (0.5, 0.97)]
)
def test_a_steady_lines_delay_costs_searches_next_to_nothing(delay_s: float, share: float) -> None:
    line = Line(
        Window(5, 1.0), [(0.3 * delay_s, 0.7 * delay_s), (0.3 * delay_s, 0.7 * delay_s + 0.004)]
    )
    line.load(threads=4, seconds=100)
    assert line.refused == []
    assert len(line.through) >= share * 5 * 100


@settings(max_examples=25, deadline=None)
@given(
    latencies=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=40),
    wait_s=st.sampled_from([0.2, 1.0, 3.0]),
)
def test_after_one_refusal_no_other_follows_whatever_the_line_does(
    latencies: list[Latency], wait_s: float
) -> None:
    line = Line(Window(3, 1.0), latencies, wait_s=wait_s)
    line.load(threads=4, seconds=100)
    on_their_way = max(there + back for there, back in latencies)
    assert all(at <= line.refused[0] + on_their_way + 1e-3 for at in line.refused)


def test_a_line_that_stalls_now_and_then_makes_no_call_refused() -> None:
    latencies = [(0.02, 0.02)] * 500 + [(0.7, 0.05)] * 6  # all six threads hang at once
    line = Line(Window(190, 10.0), latencies)
    line.load(threads=6, seconds=120)
    assert line.refused == []
    assert len(line.through) >= 0.92 * 190 * 12


def test_a_search_without_an_answer_keeps_its_place() -> None:
    line = Line(Window(5, 1.0), [(0.02, 0.02)] * 40 + [(1.5, 0.02)] * 4)
    line.load(threads=4, seconds=60)
    assert line.refused == []


def test_six_real_threads_are_never_refused_by_the_sandbox() -> None:
    clock = ThreadsClock(6)
    limiter = Limiter(share=1.0, clock=clock)
    with serve(company([deal("a")]), clock=clock, behaviour=Behaviour(rate_limit=100)) as sandbox:
        client = HubSpotClient(
            sandbox.token,
            base_url=sandbox.url,
            api_version="2026-09",
            timeout_s=30,
            deadline_s=600,
            limiter=limiter,
            clock=clock,
        )

        def load() -> None:
            try:
                for _ in range(40):
                    client.get(client.paths.account, what="x", expect="portalId")
            finally:
                clock.leave()

        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
        assert Counter(entry.status for entry in sandbox.requests) == {200: 240}
    assert clock.monotonic() >= 20, "240 calls of a hundred in ten seconds"


def answered_after(limiter: Limiter, clock: FakeClock, seconds: float) -> float:
    """When a call begins that is answered so much later."""
    turn = limiter.acquire("all")
    clock.advance(seconds=seconds)
    limiter.release(turn)
    return turn.begins


@pytest.fixture
def acquainted(clock: FakeClock) -> Limiter:
    """With a line whose answers take half a second; one call a second."""
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(1, 1.0))
    for _ in range(ACQUAINTED):
        answered_after(limiter, clock, 0.5)
    return limiter


@pytest.mark.parametrize(
    ("took_s", "held_s"), [(0.5, 1.0 + GRAIN_S), (0.55, 1.05 + GRAIN_S), (0.9, 1.4 + GRAIN_S)]
)
def test_a_place_is_held_by_how_much_later_than_others_its_answer_came(
    clock: FakeClock, acquainted: Limiter, took_s: float, held_s: float
) -> None:
    begun = answered_after(acquainted, clock, took_s)
    assert answered_after(acquainted, clock, 0.5) - begun == pytest.approx(held_s, abs=1e-5)


def test_after_a_refusal_places_are_held_by_their_answers_for_a_while(
    clock: FakeClock, acquainted: Limiter
) -> None:
    acquainted.close_for("all", 0.2)
    begun = [answered_after(acquainted, clock, 0.5) for _ in range(3)]
    assert begun[1] - begun[0] == pytest.approx(1.5, abs=1e-5)
    assert begun[2] - begun[1] == pytest.approx(1.5, abs=1e-5)
    clock.advance(seconds=WARY_S)
    begun = [answered_after(acquainted, clock, 0.5) for _ in range(2)]
    assert begun[1] - begun[0] == pytest.approx(1.0 + GRAIN_S, abs=1e-5)


def test_who_waits_for_a_turn_while_others_are_refused_waits_on() -> None:
    clock = ThreadsClock(2)
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(1, 1.0))
    limiter.release(limiter.acquire("all"))
    begun = []

    def wait_for_a_turn() -> None:
        begun.append(limiter.acquire("all").begins)
        clock.leave()

    waiting = threading.Thread(target=wait_for_a_turn)
    waiting.start()
    clock.sleep(0.5)
    limiter.close_for("all", 7.0)
    clock.leave()
    waiting.join()
    assert begun == pytest.approx([7.5], abs=1e-3)
