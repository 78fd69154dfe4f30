"""The simulated Pipedrive after any sequence of edits."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.instants import parsed, rfc3339, spaced
from sync.sandbox.pipedrive.v1_deal import effective_percent
from sync.sandbox.pipedrive.validation import Invalid
from sync.sandbox.store.refusals import Conflict, Missing
from tests.fake_clock import FakeClock
from tests.sandbox.conftest import company, deal

ACTS = (
    "create", "edit", "move", "win", "lose", "reopen", "archive", "unarchive", "delete", "restore",
    "merge", "activity", "leave", "delete_stage", "later", "much_later",
)  # fmt: skip
ACTIONS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 5), st.integers(0, 5)), max_size=40
)


def act(crm: PipedriveCrm, clock: FakeClock, what: str, one: int, other: int) -> None:
    deals = [str(d.id) for d in crm.deals]
    this, that = deals[one % len(deals)], deals[other % len(deals)]
    simple: dict[str, Callable[[str], object]] = {
        "win": crm.win,
        "lose": crm.lose,
        "reopen": crm.reopen,
        "archive": crm.archive,
        "unarchive": crm.unarchive,
        "delete": crm.delete,
        "restore": crm.restore,
        "activity": crm.log_activity,
    }
    if what in simple:
        simple[what](this)
    elif what == "create":
        crm.create({"title": f"New {one}", "value": other})
    elif what == "edit":
        crm.edit(this, {"value": other, "probability": 10 * other})
    elif what == "move":
        crm.move(this, ("qualify", "propose")[other % 2])
    elif what == "merge":
        crm.merge(this, that)
    elif what == "leave":
        crm.deactivate_user("102")
    elif what == "delete_stage":
        crm.delete_stage("propose")
    else:
        clock.advance(days=40 if what == "much_later" else 0, seconds=one)


def replayed(crm: PipedriveCrm, deal_id: str, key: str, first: Any) -> Any:
    """The present value by the changelog; every row has to go on where the last one ended."""
    value = first
    for row in crm.history(deal_id, key):
        assert row["old_value"] == value
        value = row["new_value"]
    return value


@settings(max_examples=60)
@given(ACTIONS)
def test_lists_and_changelog_agree_with_the_deals(actions: list[tuple[str, int, int]]) -> None:
    clock = FakeClock()
    crm = PipedriveCrm(company(deal("a"), deal("b"), deal("c")), clock, PipedriveBehaviour())
    for what, one, other in actions:
        before = {d.id: d.update_time for d in crm.deals}
        with contextlib.suppress(Conflict, Missing, Invalid):
            act(crm, clock, what, one, other)
        assert all(d.update_time >= before.get(d.id, 0) for d in crm.deals)
    listed = [*crm.deal_ids(), *crm.archived_ids(), *crm.deleted_ids()]
    gone = [str(d.id) for d in crm.deals if crm.purged(d)]
    assert sorted([*listed, *gone], key=int) == [str(d.id) for d in crm.deals]
    for record in crm.deals:
        deal_id = str(record.id)
        assert replayed(crm, deal_id, "stage_id", "1") == str(record.stage_id)
        assert replayed(crm, deal_id, "status", "open") == record.status
        ended = None if record.close_time is None else spaced(record.close_time)
        assert replayed(crm, deal_id, "close_time", None) == ended
        assert (record.close_time is None) == (record.status == "open")
        assert record.lost_reason is None or record.status == "lost"
        assert 0 <= effective_percent(crm, record) <= 100


@given(st.integers(0, 4_000_000_000))
def test_an_instant_survives_its_text(seconds: int) -> None:
    assert parsed(rfc3339(seconds)) == seconds
    assert spaced(seconds) == rfc3339(seconds).replace("T", " ").rstrip("Z")
    assert parsed(rfc3339(seconds).replace("Z", ".000Z")) is None


def test_a_refused_edit_leaves_no_trace() -> None:
    clock = FakeClock()
    crm = PipedriveCrm(company(deal("a")), clock, PipedriveBehaviour())
    before, rows = crm.deal("1"), crm.history("1")
    clock.advance(seconds=timedelta(days=1).total_seconds())
    with contextlib.suppress(Invalid):
        crm.edit("1", {"stage_id": 2, "status": "won", "value": "x"})
    assert (crm.deal("1"), crm.history("1")) == (before, rows)
