"""Our fields in Pipedrive, and their values on deals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from sync.crm.base import DealWrite, PropertyStatus, WriteOutcome, WriteResult
from sync.crm.pipedrive import paths
from sync.errors import PermanentError, TransientError
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.writeback.fields import PROPERTY_NAMES, specs
from sync.writeback.plan import same_value
from tests.crm_pipedrive.conftest import SPECS, Account, Open, deal

VALUES = {
    "dealpulse_win_probability": "0.42",
    "dealpulse_win_by_month": "0.1",
    "dealpulse_win_by_quarter": "0.31",
    "dealpulse_call": "SLIP",
    "dealpulse_predicted_close": "2026-05-12",
    "dealpulse_expected_amount": "1234.50",
    "dealpulse_quality_score": "88",
    "dealpulse_findings": "overdue;stale",
    "dealpulse_stale_days": "21",
    "dealpulse_explanation": "Deals like it were won 4 times in 10.",
    "dealpulse_computed_at": "2026-03-16T09:00:00Z",
}
OTHERS = {
    "dealpulse_win_probability": "0.05",
    "dealpulse_win_by_month": "0",
    "dealpulse_win_by_quarter": "1",
    "dealpulse_call": "WIN",
    "dealpulse_predicted_close": None,
    "dealpulse_expected_amount": "0.00",
    "dealpulse_quality_score": "100",
    "dealpulse_findings": None,
    "dealpulse_stale_days": "0",
    "dealpulse_explanation": 'Æøå, "quoted" & <b>.',
    "dealpulse_computed_at": "2026-03-17T10:30:05Z",
}


def written(
    account: Account, values: Mapping[str, str | None], *keys: str
) -> Sequence[WriteOutcome]:
    batch = [DealWrite(account.crm.id_of(key), f"trace-{key}", values) for key in keys]
    return account.sink.write(batch)


def held(account: Account, key: str) -> Mapping[str, str | None]:
    return account.source.read([account.crm.id_of(key)]).deals[0].own


def patches(account: Account) -> int:
    return sum(e.method == "PATCH" and "/deals/" in e.path for e in account.sandbox.requests)


def field_code(account: Account, name: str) -> str:
    return account.state.load("fields")[name]


def test_fields_are_created_once(account: Account) -> None:
    states = account.sink.ensure_properties(SPECS)
    assert {state.status for state in states} == {PropertyStatus.MISSING}
    account.reconnect()
    assert {s.status for s in account.sink.ensure_properties(SPECS)} == {PropertyStatus.PRESENT}
    made = [e for e in account.sandbox.requests if e.method == "POST"]
    assert len(made) == len(SPECS)
    names = [field.name for field in account.crm.fields.custom()]
    assert {name.removesuffix(" (%)") for name in names} == {spec.label for spec in SPECS}
    assert {"dealpulse: chance of winning (%)", "dealpulse: expected amount"} <= set(names)


def test_values_arrive_as_they_were_written_and_can_be_cleared(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    for values in (VALUES, OTHERS, dict.fromkeys(VALUES)):
        assert set(values) == set(PROPERTY_NAMES)
        (outcome,) = written(account, values, "a")
        assert outcome.result is WriteResult.WRITTEN
        found = held(account, "a")
        assert set(found) == set(PROPERTY_NAMES)
        for name, text in values.items():
            assert same_value(name, found[name], text), name
    assert set(held(account, "b").values()) == {None}


def test_people_see_percent_and_the_accounts_currency(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    shown = account.crm.deal(account.crm.id_of("a"))["custom_fields"]
    assert shown[field_code(account, "dealpulse_win_probability")] == 42
    amount = shown[field_code(account, "dealpulse_expected_amount")]
    assert amount == {"value": 1234.5, "currency": "NOK"}
    at = shown[field_code(account, "dealpulse_computed_at")]
    assert at == "2026-03-16 09:00:00 UTC"


def test_only_changed_values_are_sent(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    assert patches(account) == 1
    assert written(account, VALUES, "a")[0].result is WriteResult.WRITTEN
    assert patches(account) == 1
    before = account.crm.deal(account.crm.id_of("a"))["update_time"]
    account.clock.advance(minutes=1)
    written(account, VALUES | {"dealpulse_win_probability": "0.420"}, "a")
    assert account.crm.deal(account.crm.id_of("a"))["update_time"] == before


def test_other_custom_fields_stay_as_they_are(account: Account) -> None:
    other = account.crm.fields.add("Region", "varchar", [], "")
    account.crm.edit(account.crm.id_of("a"), {"custom_fields": {other.code: "West"}})
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    assert account.crm.deal(account.crm.id_of("a"))["custom_fields"][other.code] == "West"


def test_a_renamed_field_is_found_again(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    code = field_code(account, "dealpulse_win_probability")
    account.crm.rename_field(code, "Sjanse")
    account.reconnect()
    assert held(account, "a")["dealpulse_win_probability"] == "0.42"
    (state,) = [s for s in account.sink.property_states(SPECS) if s.status != "present"]
    assert (state.name, state.status) == ("dealpulse_win_probability", PropertyStatus.DIFFERS)
    account.sink.ensure_properties(SPECS)
    assert account.crm.fields.get(code).name == "dealpulse: chance of winning (%)"


def test_a_field_whose_description_was_rewritten_is_found_by_its_key(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    code = field_code(account, "dealpulse_stale_days")
    account.crm.fields.get(code).description = "How long nobody called"
    account.reconnect()
    account.sink.ensure_properties(SPECS)
    assert field_code(account, "dealpulse_stale_days") == code
    assert len(account.crm.fields.custom()) == len(SPECS)


def test_without_memory_the_mark_in_the_description_finds_our_fields(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    keys = account.state.load("fields")
    for part in ("fields", "choices"):
        account.state.save(part, {})
    account.restart()
    assert held(account, "a")["dealpulse_findings"] == "overdue;stale"
    assert account.state.load("fields") == keys


def test_a_field_of_our_name_that_is_not_ours_is_left_alone(account: Account) -> None:
    theirs = account.crm.fields.add("dealpulse: why", "text", [], "Made by a person")
    account.sink.ensure_properties(SPECS)
    assert field_code(account, "dealpulse_explanation") != theirs.code


def test_a_deleted_field_costs_its_value_only(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.crm.delete_field(field_code(account, "dealpulse_stale_days"))
    account.reconnect()
    (outcome,) = written(account, VALUES, "a")
    assert outcome.result is WriteResult.WRITTEN
    assert "dealpulse_stale_days" not in held(account, "a")
    assert held(account, "a")["dealpulse_quality_score"] == "88"
    account.sink.ensure_properties(SPECS)
    assert held(account, "a")["dealpulse_stale_days"] is None
    written(account, VALUES, "a")
    assert held(account, "a")["dealpulse_stale_days"] == "21"


def test_fields_past_the_hundredth_are_found(account_of: Open) -> None:
    account = account_of([deal("a")], behaviour=PipedriveBehaviour(field_cap=700))
    for number in range(520):
        account.crm.fields.add(f"Field {number}", "varchar", [], "")
    account.sink.ensure_properties(SPECS)
    account.reconnect()
    assert {s.status for s in account.sink.property_states(SPECS)} == {PropertyStatus.PRESENT}


def test_another_language_relabels_and_keeps_what_deals_hold(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    written(account, VALUES, "a")
    options = len(account.crm.fields.get(field_code(account, "dealpulse_findings")).options or ())
    account.specs = specs("nb")
    account.reconnect()
    account.sink.ensure_properties(account.specs)
    assert held(account, "a")["dealpulse_findings"] == "overdue;stale"
    field = account.crm.fields.get(field_code(account, "dealpulse_findings"))
    assert field.name == "dealpulse: bør rettes"
    assert len(field.options or ()) == options


def test_a_field_of_another_type_is_a_conflict(account: Account) -> None:
    account.crm.fields.add("x", "varchar", [], "Mine [dealpulse_quality_score]")
    (state,) = [s for s in account.sink.property_states(SPECS) if s.status == "conflict"]
    assert "varchar" in state.detail
    with pytest.raises(PermanentError, match="dealpulse_quality_score"):
        account.sink.ensure_properties(SPECS)
    assert len(account.crm.fields.custom()) == 1


@pytest.mark.parametrize(
    "behaviour", [PipedriveBehaviour(may_manage_fields=False), PipedriveBehaviour(field_cap=0)]
)
def test_where_fields_may_not_be_created_we_only_read(
    account_of: Open, behaviour: PipedriveBehaviour
) -> None:
    account = account_of([deal("a"), deal("b")], behaviour=behaviour)
    account.sink.ensure_properties(SPECS)
    outcomes = written(account, VALUES, "a", "b")
    assert {outcome.result for outcome in outcomes} == {WriteResult.REJECTED}
    assert "by hand under Company settings" in outcomes[0].detail
    assert "[dealpulse_stale_days]" in outcomes[0].detail
    assert patches(account) == 0
    account.pull()
    assert account.deal("a").own == {}


def test_fields_made_by_hand_are_used(account_of: Open) -> None:
    behaviour = PipedriveBehaviour(may_manage_fields=False)
    account = account_of([deal("a")], behaviour=behaviour)
    account.crm.fields.add("Score", "double", [], "[dealpulse_quality_score]")
    account.sink.ensure_properties(SPECS)
    assert written(account, VALUES, "a")[0].result is WriteResult.WRITTEN
    assert held(account, "a") == {"dealpulse_quality_score": "88"}


def test_archived_and_deleted_deals_are_left_alone(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.crm.archive(account.crm.id_of("a"))
    account.crm.delete(account.crm.id_of("b"))
    outcomes = written(account, VALUES, "a", "b", "c")
    assert [outcome.result for outcome in outcomes] == [
        WriteResult.REJECTED,
        WriteResult.MISSING,
        WriteResult.WRITTEN,
    ]
    account.crm.purge(account.crm.id_of("b"))
    assert written(account, VALUES, "b")[0].result is WriteResult.MISSING
    assert patches(account) == 1


def test_one_deal_that_is_refused_does_not_hurt_the_others(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.sandbox.faults.add("forbidden_403", path_contains=paths.deal(account.crm.id_of("b")))
    outcomes = written(account, VALUES, "a", "b", "c")
    assert [outcome.result for outcome in outcomes] == [
        WriteResult.WRITTEN,
        WriteResult.REJECTED,
        WriteResult.WRITTEN,
    ]


def test_a_write_whose_answer_is_lost_is_repeated(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.sandbox.faults.add("reset_after_commit", path_contains="/deals/", method="PATCH")
    assert written(account, VALUES, "a")[0].result is WriteResult.WRITTEN
    assert held(account, "a")["dealpulse_quality_score"] == "88"


def test_no_answer_at_all_leaves_the_deal_in_doubt(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.sandbox.faults.add(
        "reset_before", times=-1, path_contains=paths.deal(account.crm.id_of("a"))
    )
    outcomes = written(account, VALUES, "a", "b")
    assert [o.result for o in outcomes] == [WriteResult.UNKNOWN, WriteResult.WRITTEN]


def test_a_creation_whose_answer_is_lost_is_neither_lost_nor_repeated(account: Account) -> None:
    account.sandbox.faults.add(
        "reset_after_commit", path_contains="dealFields", method="POST", times=3
    )
    account.sink.ensure_properties(SPECS)
    account.reconnect()
    assert {s.status for s in account.sink.property_states(SPECS)} == {PropertyStatus.PRESENT}
    assert len(account.crm.fields.custom()) == len(SPECS)


def test_a_batch_that_would_pass_our_share_is_not_begun(account_of: Open) -> None:
    account = account_of([deal(f"d{n}") for n in range(100)], daily_budget_share=0.02)
    account.sink.ensure_properties(SPECS)
    with pytest.raises(TransientError, match="daily_budget_share"):
        written(account, VALUES, *(f"d{n}" for n in range(100)))
    assert patches(account) == 0


def test_more_than_a_batch_or_one_deal_twice_is_a_mistake(account: Account) -> None:
    write = DealWrite("1", "t", VALUES)
    with pytest.raises(ValueError, match="once"):
        account.sink.write([write, write])
    with pytest.raises(ValueError, match="100"):
        account.sink.write([replace(write, deal_id=str(n)) for n in range(101)])


def test_our_own_write_is_no_news_to_the_next_pull(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.pull()
    written(account, VALUES, "a", "b")
    account.clock.advance(minutes=15)
    account.crm.edit(account.crm.id_of("b"), {"value": 7})
    assert account.pull()["updated"] == 1
    account.clock.advance(minutes=6 * 60)
    assert account.pull()["updated"] == 0


def test_unchanged_write_back_loop_confirms_by_reading(account: Account) -> None:
    account.sink.ensure_properties(SPECS)
    account.pull()
    written(account, VALUES, "a")
    account.clock.advance(minutes=15)
    account.pull()
    assert account.deal("a").own["dealpulse_explanation"] == VALUES["dealpulse_explanation"]
    assert account.history("a", "amount") == []
