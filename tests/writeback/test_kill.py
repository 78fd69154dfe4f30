"""A process that ends anywhere: the next run writes each value once, and only what is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from sync.crm.base import CrmSource, DealPage
from sync.writeback import fields, journal
from sync.writeback.journal import State
from tests.writeback.conftest import CONNECTION, VALUES, Desk, Killed

LATER = {**VALUES, fields.WIN_PROBABILITY: "0.70"}


def kill() -> None:
    raise Killed


@dataclass
class DyingSource:
    """Reads nothing any more."""

    real: CrmSource

    @property
    def connection(self) -> str:
        return self.real.connection

    def read(self, deal_ids: Sequence[str]) -> DealPage:
        raise Killed


def killed_before_sending(desk: Desk) -> None:
    desk.sink.before = kill


def killed_after_sending(desk: Desk) -> None:
    desk.sink.after = kill


def answer_lost(desk: Desk) -> None:
    """The request is carried out, the connection breaks, and the process ends."""
    desk.sandbox.faults.add("reset_after_commit", path_contains="batch/update")
    desk.sink.after = kill


def killed_before_reading_back(desk: Desk) -> None:
    desk.source = DyingSource(desk.source)  # type: ignore[assignment]


KILLS = [killed_before_sending, killed_after_sending, answer_lost, killed_before_reading_back]


@pytest.mark.parametrize("how", KILLS, ids=lambda how: how.__name__)
@pytest.mark.parametrize("pulled_between", [False, True])
def test_killed_anywhere_each_value_is_written_once(
    desk: Desk, how: Callable[[Desk], None], pulled_between: bool
) -> None:
    alive = desk.source
    desired = dict.fromkeys(desk.ids, VALUES)
    how(desk)
    with pytest.raises(Killed):
        desk.apply(desk.plan(desired))
    desk.source = alive
    desk.sink.before = desk.sink.after = lambda: None

    if pulled_between:
        desk.pull()
    report = desk.cycle(desired)
    arrived = 0 if how is killed_before_sending else 2
    assert report.confirmed == 3 - arrived
    for deal_id in desk.ids:
        assert desk.written(deal_id) == ["0.40"]
        assert desk.held(deal_id)[fields.FINDINGS] == VALUES[fields.FINDINGS]
    assert journal.unsettled(desk.engine, CONNECTION) == []
    assert desk.plan(desired).writes == ()


@pytest.mark.parametrize("how", KILLS, ids=lambda how: how.__name__)
def test_what_is_open_is_settled_by_looking_it_up(desk: Desk, how: Callable[[Desk], None]) -> None:
    alive = desk.source
    how(desk)
    with pytest.raises(Killed):
        desk.apply(desk.plan(dict.fromkeys(desk.ids, VALUES)))
    desk.source = alive
    expected = State.NOT_WRITTEN if how is killed_before_sending else State.CONFIRMED
    assert desk.reconcile() == {expected: 2}
    assert desk.reconcile() == {}


def test_what_was_changed_before_it_is_looked_up_differs(desk: Desk) -> None:
    first, second, _ = desk.ids
    desk.sink.after = kill
    with pytest.raises(Killed):
        desk.apply(desk.plan(dict.fromkeys(desk.ids, VALUES)))
    desk.crm.edit(first, {fields.WIN_PROBABILITY: "0.99"})
    desk.crm.archive(second)
    assert desk.reconcile() == {State.DIFFERS: 1, State.MISSING: 1}
    (entry,) = journal.history(desk.engine, CONNECTION, first)
    assert "0.99" in entry.detail
    assert entry.echo_modified_at is None


def test_a_write_without_an_answer_is_looked_up_at_once(desk: Desk) -> None:
    desk.sandbox.faults.add("reset_after_commit", times=-1, path_contains="batch/update")
    report = desk.cycle(dict.fromkeys(desk.ids, VALUES))
    assert (report.confirmed, report.unknown) == (3, 0)
    assert [desk.written(deal_id) for deal_id in desk.ids] == [["0.40"]] * 3


def test_a_write_that_did_not_show_stays_unknown_until_the_next_run(desk: Desk) -> None:
    first, second, _ = desk.ids
    desk.sandbox.faults.add("reset_before", times=-1, path_contains="batch/update")
    report = desk.cycle({first: VALUES, second: VALUES})
    assert (report.written, report.unknown) == (0, 2)
    assert desk.states(first) == desk.states(second) == [State.UNKNOWN]
    desk.sandbox.faults.clear()
    assert desk.cycle(dict.fromkeys(desk.ids, LATER)).confirmed == 3
    assert desk.states(first) == [State.NOT_WRITTEN, State.CONFIRMED]
    assert [desk.written(deal_id) for deal_id in desk.ids] == [["0.70"]] * 3
