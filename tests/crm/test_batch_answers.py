"""Answers to a batch that name the record at fault in other ways, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest

from sync.clock import Clock
from sync.crm.base import DealWrite, WriteResult
from sync.crm.hubspot.client import HubSpotClient
from sync.crm.hubspot.sink import HubSpotSink
from sync.crm.limiter import Limiter
from sync.errors import PermanentError
from tests.crm.scripted import Asked, Say, Script, scripted
from tests.fake_clock import FakeClock

WRITTEN, UNKNOWN = WriteResult.WRITTEN, WriteResult.UNKNOWN
REJECTED, MISSING, MERGED = WriteResult.REJECTED, WriteResult.MISSING, WriteResult.MERGED


def sink_of(url: str, clock: Clock) -> tuple[HubSpotSink, HubSpotClient]:
    client = HubSpotClient(
        "token",
        base_url=url,
        api_version="2026-09",
        timeout_s=5,
        deadline_s=60,
        limiter=Limiter(share=1.0, clock=clock),
        clock=clock,
    )
    return HubSpotSink("x", client, clock), client


def outcomes(script: Script, *deal_ids: str) -> list[tuple[WriteResult, str]]:
    clock = FakeClock()
    with scripted(script) as server:
        sink, client = sink_of(server.url, clock)
        batch = [DealWrite(i, f"t{i}", {"dealpulse_days": "7"}) for i in deal_ids]
        found = sink.write(batch)
        client.close()
    assert [outcome.deal_id for outcome in found] == list(deal_ids)
    return [(outcome.result, outcome.detail) for outcome in found]


def answering(update: Callable[[list[str]], Say], deals: dict[str, str] | None = None) -> Script:
    """`update` answers the ids of a batch; `deals`: id asked for -> id that lives, else 404."""

    def script(asked: Asked) -> Say:
        if asked.method == "POST":
            return update([one["id"] for one in asked.body["inputs"]])
        deal_id = asked.path.split("?")[0].rsplit("/", 1)[1]
        lives = (deals or {}).get(deal_id)
        if lives is None:
            return Say(404, {"category": "OBJECT_NOT_FOUND", "message": "no"})
        return Say(200, {"id": lives, "properties": {}})

    return script


def written(ids: list[str]) -> list[dict[str, str]]:
    return [{"id": deal_id} for deal_id in ids]


@pytest.mark.parametrize(
    "naming",
    [
        {"context": {"objectWriteTraceId": ["t2"]}},
        {"context": {"ids": ["2"]}},
        {"context": {"id": "2"}},
        {"objectWriteTraceId": "t2"},
    ],
)
def test_a_record_is_blamed_however_it_is_named(naming: dict[str, Any]) -> None:
    error = {"category": "VALIDATION_ERROR", "message": "not so", **naming}

    def update(ids: list[str]) -> Say:
        done = written([i for i in ids if i != "2"])
        return Say(207, {"results": done, "errors": [error]})

    assert outcomes(answering(update), "1", "2", "3") == [
        (WRITTEN, ""),
        (REJECTED, "not so"),
        (WRITTEN, ""),
    ]


def test_an_error_that_names_nobody_is_narrowed_down() -> None:
    def update(ids: list[str]) -> Say:
        if "3" in ids:
            error = {"category": "VALIDATION_ERROR", "message": "somebody is wrong"}
            return Say(207, {"results": [], "errors": [error]})
        return Say(200, {"results": written(ids)})

    living = {i: i for i in "12345"}
    found = outcomes(answering(update, living), *"12345")
    assert found == [
        (WRITTEN, ""),
        (WRITTEN, ""),
        (REJECTED, "somebody is wrong"),
        (WRITTEN, ""),
        (WRITTEN, ""),
    ]


def test_all_or_nothing_is_sent_once_more_without_the_one_at_fault() -> None:
    batches: list[int] = []

    def update(ids: list[str]) -> Say:
        batches.append(len(ids))
        if "3" in ids:
            error = {"category": "VALIDATION_ERROR", "message": "no", "context": {"ids": ["3"]}}
            return Say(207, {"results": [], "errors": [error]})
        return Say(200, {"results": written(ids)})

    found = outcomes(answering(update), *"12345678")
    assert [result for result, _ in found].count(WRITTEN) == 7
    assert batches == [8, 7]


def test_a_refusal_of_the_whole_batch_is_narrowed_down() -> None:
    asked: list[int] = []

    def update(ids: list[str]) -> Say:
        asked.append(len(ids))
        if {"7", "40"} & set(ids):
            return Say(400, {"category": "VALIDATION_ERROR", "message": "bad input"})
        return Say(200, {"results": written(ids)})

    found = outcomes(answering(update), *(str(n) for n in range(64)))
    assert [n for n, (result, _) in enumerate(found) if result is REJECTED] == [7, 40]
    assert [n for n, (result, _) in enumerate(found) if result is not WRITTEN] == [7, 40]
    assert found[7] == (REJECTED, "bad input")
    assert len(asked) < 30


def test_one_missing_deal_does_not_fail_the_batch_that_it_fails() -> None:
    def update(ids: list[str]) -> Say:
        if "2" in ids:
            return Say(404, {"category": "OBJECT_NOT_FOUND", "message": "no"})
        return Say(200, {"results": written(ids)})

    assert outcomes(answering(update), "1", "2", "3") == [
        (WRITTEN, ""),
        (MISSING, "no such deal any more"),
        (WRITTEN, ""),
    ]


def test_records_left_out_in_silence_are_looked_up() -> None:
    def update(ids: list[str]) -> Say:
        return Say(200, {"results": written([i for i in ids if i == "1"])})

    living = {"2": "99", "4": "4"}
    assert outcomes(answering(update, living), "1", "2", "3", "4") == [
        (WRITTEN, ""),
        (MERGED, "merged into 99"),
        (MISSING, "no such deal any more"),
        (UNKNOWN, "HubSpot gave no reason"),
    ]


@pytest.mark.parametrize("category", ["RATE_LIMITS", "INTERNAL_ERROR", "LOCKED"])
def test_trouble_that_may_pass_rejects_nothing_for_ever(category: str) -> None:
    error = {"category": category, "message": "try again", "context": {"ids": ["2"]}}

    def update(ids: list[str]) -> Say:
        return Say(207, {"results": written(["1"]), "errors": [error]})

    assert outcomes(answering(update), "1", "2") == [(WRITTEN, ""), (UNKNOWN, "try again")]


def test_a_look_up_that_fails_leaves_one_record_in_doubt() -> None:
    def script(asked: Asked) -> Say:
        if asked.method == "POST":
            return Say(200, {"results": written(["1"])})
        return Say(502, b"<html>")

    found = outcomes(script, "1", "2")
    assert [result for result, _ in found] == [WRITTEN, UNKNOWN]


def test_an_outage_after_some_were_written_leaves_the_others_in_doubt() -> None:
    calls: list[int] = []

    def update(ids: list[str]) -> Say:
        calls.append(len(ids))
        if len(ids) == 4:
            return Say(400, {"category": "VALIDATION_ERROR", "message": "bad input"})
        if ids == ["1", "2"]:
            return Say(200, {"results": written(ids)})
        return Say(477, {}, (("Retry-After", "7200"),))

    found = outcomes(answering(update), "1", "2", "3", "4")
    assert [result for result, _ in found] == [WRITTEN, WRITTEN, UNKNOWN, UNKNOWN]


def test_what_no_record_is_to_blame_for_comes_through() -> None:
    with pytest.raises(PermanentError, match="410"):
        outcomes(answering(lambda _: Say(410, {"message": "gone"})), "1", "2")


def test_one_record_with_a_property_that_is_gone_is_left_for_the_next_time() -> None:
    message = 'Property values were not valid: [{"error":"PROPERTY_DOESNT_EXIST","message":"no x"}]'
    error = {"category": "VALIDATION_ERROR", "message": message, "context": {"ids": ["2"]}}

    def update(ids: list[str]) -> Say:
        return Say(207, {"results": written(["1"]), "errors": [error]})

    assert outcomes(answering(update), "1", "2") == [
        (WRITTEN, ""),
        (UNKNOWN, "Property values were not valid: no x"),
    ]
