"""The store beneath the API: invariants that hold whatever is done to it."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from sync.sandbox.limits import Window
from sync.sandbox.store.definitions import Definition
from sync.sandbox.store.instants import iso, parse_ms, to_datetime, to_ms
from sync.sandbox.store.records import Record, Source, Table
from sync.sandbox.store.values import Invalid, accepted

MOMENTS = st.integers(min_value=-60_000_000_000_000, max_value=250_000_000_000_000)


@given(MOMENTS)
def test_an_instant_survives_its_text(ms: int) -> None:
    assert parse_ms(iso(ms)) == ms
    assert to_ms(to_datetime(ms)) == ms
    assert parse_ms(str(ms)) == ms


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=60), st.integers(1, 5))
@example([6.185745561999836, 0.0], 1)  # a wait of 10.000000000000002
def test_no_window_ever_holds_more_calls_than_its_limit(waits: list[float], limit: int) -> None:
    window, now, allowed = Window(limit, 10.0), 0.0, []
    for wait in waits:
        now += wait
        told = window.wait(now)
        if told == 0:
            allowed.append(now)
        else:
            assert 0 < told <= 10
            assert 0 <= window.remaining == limit - sum(call + 10 > now for call in allowed)
    for first in range(len(allowed) - limit):
        assert allowed[first + limit] - allowed[first] >= 10 - 1e-9


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["add", "archive", "restore", "drop", "retire"]), st.integers(0, 99)),
    max_size=60,
)


@given(ACTIONS, st.integers(1, 7))
def test_pages_hold_every_live_record_once(actions: list[tuple[str, int]], limit: int) -> None:
    table = Table(100)
    live: dict[int, Record] = {}
    binned: dict[int, Record] = {}
    for action, pick in actions:
        if action == "add":
            record = Record(table.new_id(), 0, 0)
            table.add(record)
            live[record.id] = record
        elif action == "restore" and binned:
            record = binned.pop(sorted(binned)[pick % len(binned)])
            table.restore(record)
            live[record.id] = record
        elif live and action != "restore":
            record = live.pop(sorted(live)[pick % len(live)])
            if action == "archive":
                table.archive(record, 1)
                binned[record.id] = record
            elif action == "drop":
                table.drop(record)
            elif live:
                table.retire(record, min(live))
            else:
                live[record.id] = record
    for archived, expected in ((False, live), (True, binned)):
        seen: list[int] = []
        after: int | None = 0
        while after is not None:
            records, after = table.page(after, limit, archived=archived)
            seen += [record.id for record in records]
        assert seen == sorted(expected)
        assert all(a < b for a, b in pairwise(seen))


KINDS = {
    "number": st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.integers(),
    "datetime": MOMENTS,
    "date": st.dates().map(str),
    "bool": st.booleans(),
    "string": st.text(max_size=50),
}


@given(st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), KINDS[kind])))
def test_what_was_read_can_be_written_back_unchanged(pair: tuple[str, object]) -> None:
    kind, raw = pair
    definition = Definition("x", "X", kind, "text")
    kept = accepted(definition, raw, None)
    assert accepted(definition, kept, None) == kept


@given(st.text(max_size=30), st.sampled_from(["number", "date", "datetime", "bool"]))
def test_any_text_is_either_kept_in_form_or_refused(text: str, kind: str) -> None:
    definition = Definition("x", "X", kind, "text")
    try:
        kept = accepted(definition, text, None)
    except Invalid as invalid:
        assert invalid.code.startswith("INVALID_")
    else:
        assert kept is None or accepted(definition, kept, None) == kept


@given(st.lists(st.none() | st.text(min_size=1, max_size=2), max_size=12))
def test_history_ends_in_the_present_value_and_never_repeats_it(values: list[str | None]) -> None:
    record = Record(1, 0, 0)
    for at, value in enumerate(values):
        record.put("x", value, at, Source("CRM_UI"))
    written = [version.value for version in record.history.get("x", ())]
    assert record.values.get("x") == (written[-1] if written else None)
    assert all(a != b for a, b in pairwise([None, *written]))
