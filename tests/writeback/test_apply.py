"""Writing to the simulated CRM over HTTP, on both databases: outcomes, echo, what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from sync.crm.base import CrmSource, DealPage
from sync.errors import AuthError, TransientError
from sync.mirror import read
from sync.sandbox.faults import FaultKind
from sync.writeback import fields, journal
from sync.writeback.apply import Problem
from sync.writeback.journal import State
from tests.writeback.conftest import CONNECTION, VALUES, Desk, Open


def test_the_crm_holds_what_was_planned(desk: Desk) -> None:
    report = desk.cycle(dict.fromkeys(desk.ids, VALUES))
    assert (report.written, report.confirmed, report.details) == (3, 3, ())
    for deal_id in desk.ids:
        held = desk.held(deal_id)
        assert held.pop(fields.COMPUTED_AT, "")[:19] == "2026-03-16T09:00:00"
        assert held == {name: text for name, text in VALUES.items() if name in held}
        assert len(held) == len(VALUES) - 1
        assert desk.states(deal_id) == [State.CONFIRMED]


def test_the_next_cycle_writes_and_reads_nothing(desk: Desk) -> None:
    desired = dict.fromkeys(desk.ids, VALUES)
    desk.cycle(desired)
    desk.sandbox.requests.clear()
    assert desk.plan(desired).writes == ()
    report = desk.cycle(desired)
    assert (report.written, report.unknown) == (0, 0)
    assert list(desk.sandbox.requests) == []


def test_a_pull_knows_our_own_writes(desk: Desk) -> None:
    desired = dict.fromkeys(desk.ids, VALUES)
    desk.cycle(desired)
    assert desk.pull() == 0
    assert desk.plan(desired).writes == ()


def test_the_echo_is_the_modified_date_of_our_write(desk: Desk) -> None:
    desk.cycle({desk.ids[0]: VALUES})
    (entry,) = journal.history(desk.engine, CONNECTION, desk.ids[0])
    now = desk.source.read(desk.ids[:1]).deals[0].modified_at
    assert entry.echo_modified_at == now


def test_what_somebody_changed_meanwhile_is_no_echo(desk: Desk) -> None:
    first, second, _ = desk.ids
    desk.crm.edit(first, {"amount": "2000"})
    desk.cycle({first: VALUES, second: VALUES})
    (entry,) = journal.history(desk.engine, CONNECTION, first)
    assert (entry.state, entry.echo_modified_at) == (State.CONFIRMED, None)
    assert desk.pull() == 1
    assert read.deals_by_id(desk.engine, CONNECTION, [first])[first].amount == 2000


def test_the_journal_says_what_was_there_and_what_was_written(desk: Desk) -> None:
    (deal_id, *_) = desk.ids
    desk.cycle({deal_id: VALUES})
    desk.cycle({deal_id: {**VALUES, fields.WIN_PROBABILITY: "0.70"}})
    first, second = journal.history(desk.engine, CONNECTION, deal_id)
    assert first.before == dict.fromkeys(VALUES)
    assert first.after == VALUES
    assert second.before == {fields.WIN_PROBABILITY: "0.40"}
    assert second.after == {fields.WIN_PROBABILITY: "0.70"}
    assert first.trace_id != second.trace_id
    assert first.settled_at is not None
    assert first.planned_at <= first.settled_at < second.planned_at


def test_a_closed_deal_is_emptied_once(desk: Desk) -> None:
    (deal_id, *_) = desk.ids
    desk.cycle({deal_id: VALUES})
    report = desk.cycle({}, closed=[deal_id])
    assert report.confirmed == 1
    assert desk.held(deal_id) == {}
    assert desk.plan({}, closed=[deal_id]).writes == ()


def test_batches_are_as_large_as_the_sink_takes_and_progress_is_told(desk_of: Open) -> None:
    desk = desk_of(5)
    told: list[tuple[int, int]] = []
    made = desk.plan(dict.fromkeys(desk.ids, VALUES))
    desk.apply(made, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]
    trace_ids = [
        entry.trace_id
        for deal_id in desk.ids
        for entry in journal.history(desk.engine, CONNECTION, deal_id)
    ]
    assert len(set(trace_ids)) == 5


def test_asked_to_stop_it_ends_between_two_batches(desk_of: Open) -> None:
    desk = desk_of(5)
    made = desk.plan(dict.fromkeys(desk.ids, VALUES))
    answers = iter([False, True])
    report = desk.apply(made, should_stop=lambda: next(answers))
    assert (report.confirmed, report.not_sent) == (2, 3)
    assert [bool(desk.held(deal_id)) for deal_id in desk.ids] == [True, True, False, False, False]


def test_deals_that_left_meanwhile_do_not_hinder_the_others(desk: Desk) -> None:
    gone, merged, stays = desk.ids
    desk.sink.batch_size = 3
    desk.crm.archive(gone)
    desk.crm.merge(stays, merged)
    report = desk.cycle(dict.fromkeys(desk.ids[:2], VALUES))
    assert (report.missing, report.merged, report.written) == (1, 1, 0)
    assert {problem.deal_id: problem.state for problem in report.details} == {
        gone: State.MISSING,
        merged: State.MERGED,
    }


def test_what_the_crm_refuses_is_told_and_left_alone_for_a_day(desk_of: Open) -> None:
    desk = desk_of(required_by_stage={"new": ("hs_next_step",)})
    refused, *others = desk.ids
    for deal_id in others:
        desk.crm.edit(deal_id, {"hs_next_step": "Call"})
    desired = dict.fromkeys(desk.ids, VALUES)
    report = desk.cycle(desired)
    assert (report.confirmed, report.rejected) == (2, 1)
    ((problem),) = report.details
    assert (problem.deal_id, problem.state) == (refused, State.REJECTED)
    assert problem.detail

    again = desk.cycle(desired)
    assert (again.left_alone, again.rejected) == (1, 0)
    assert again.refused == report.refused == (problem,)
    assert desk.states(refused) == [State.REJECTED]

    desk.clock.advance(days=1)
    assert desk.cycle(desired).rejected == 1


def test_what_was_refused_is_tried_again_once_the_deal_changes(desk_of: Open) -> None:
    desk = desk_of(required_by_stage={"new": ("hs_next_step",)})
    (refused, *_) = desk.ids
    assert desk.cycle({refused: VALUES}).rejected == 1
    desk.crm.edit(refused, {"hs_next_step": "Call"})
    assert desk.cycle({refused: VALUES}).left_alone == 1  # the mirror does not know it yet
    assert desk.pull() == 1
    assert desk.cycle({refused: VALUES}).confirmed == 1


@dataclass
class Meddling:
    """A source before which a workflow of the customer's strikes, each time it reads."""

    desk: Desk
    real: CrmSource

    @property
    def connection(self) -> str:
        return self.real.connection

    def read(self, deal_ids: Sequence[str]) -> DealPage:
        for deal_id in deal_ids:
            self.desk.crm.edit(deal_id, {fields.WIN_PROBABILITY: "0.99"}, source="AUTOMATION")
        return self.real.read(deal_ids)


def test_what_something_else_overwrites_at_once_is_told(desk: Desk) -> None:
    (deal_id, *_) = desk.ids
    made = desk.plan({deal_id: VALUES})
    report = desk.apply(made, source=Meddling(desk, desk.source))
    assert (report.written, report.confirmed, report.differs) == (1, 0, 1)
    assert report.details == (
        Problem(deal_id, State.DIFFERS, f"the CRM holds {fields.WIN_PROBABILITY} = '0.99'"),
    )
    (entry,) = journal.history(desk.engine, CONNECTION, deal_id)
    assert entry.echo_modified_at is None
    assert desk.reconcile() == {}


def test_a_refused_token_ends_the_run_with_what_is_known_settled(desk_of: Open) -> None:
    desk = desk_of(4)
    desired = dict.fromkeys(desk.ids, VALUES)
    desk.sink.after = lambda: desk.crm.expire_token(desk.sandbox.token)
    with pytest.raises(AuthError):
        desk.cycle(desired)
    states = [desk.states(deal_id) for deal_id in desk.ids]
    assert states == [[State.WRITTEN], [State.WRITTEN], [], []]


def test_a_token_refused_at_once_leaves_the_batch_to_be_looked_up(desk: Desk) -> None:
    desk.crm.set_scopes(desk.sandbox.token, ["crm.objects.deals.read"])
    with pytest.raises(AuthError):
        desk.cycle(dict.fromkeys(desk.ids, VALUES))
    assert [desk.states(deal_id) for deal_id in desk.ids] == [[State.UNKNOWN]] * 2 + [[]]
    assert desk.reconcile() == {State.NOT_WRITTEN: 2}
    desk.crm.set_scopes(desk.sandbox.token, ["crm.objects.deals.read", "crm.objects.deals.write"])
    assert desk.cycle(dict.fromkeys(desk.ids, VALUES)).confirmed == 3


@pytest.mark.parametrize("fault", ["html_502", "locked_423", "reset_before"])
def test_an_outage_ends_the_run_and_the_next_one_goes_on(desk: Desk, fault: FaultKind) -> None:
    desired = dict.fromkeys(desk.ids, VALUES)
    desk.sandbox.faults.add(fault, times=-1, path_contains="batch/update")
    with pytest.raises(TransientError):
        desk.cycle(desired)
    desk.sandbox.faults.clear()
    assert desk.states(desk.ids[2]) == []  # one wait for a CRM that does not answer will do
    assert desk.cycle(desired).confirmed == 3
    assert [desk.written(deal_id) for deal_id in desk.ids] == [["0.40"]] * 3


def test_refusals_are_of_one_connection(desk_of: Open) -> None:
    desk = desk_of(required_by_stage={"new": ("hs_next_step",)})
    desk.cycle({desk.ids[0]: VALUES})
    now = desk.clock.now()
    assert journal.refused(desk.engine, CONNECTION, at=now).keys() == {desk.ids[0]}
    assert not journal.refused(desk.engine, "other", at=now)
    assert not journal.refused(desk.engine, CONNECTION, at=now + timedelta(days=2))
