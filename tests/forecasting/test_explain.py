"""What a salesperson reads on the deal."""

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forecasting.explain import LONGEST, explain
from forecasting.history import stage_stays
from forecasting.methods.base import PREDICTION_SCHEMA
from forecasting.process import stage_norms
from forecasting.quality import FINDING_SCHEMA, RULES
from forecasting.wording import LANGUAGES, Language
from tests.forecasting.frames import AS_OF, NO_CHANGES, STAGES, TODAY, deals, stage, stages
from tests.forecasting.quality.test_rules import CASES


def norms(of_stages: pl.DataFrame = STAGES) -> pl.DataFrame:
    return stage_norms(stage_stays(NO_CHANGES, deals(), of_stages, AS_OF), of_stages)


def predicted(
    probability: float | None, source: str, sample: int | None = None, won: int | None = None
) -> pl.DataFrame:
    row = ("main", "d1", probability, None, source, sample, won)
    return pl.DataFrame([row], schema=PREDICTION_SCHEMA, orient="row")


def findings(**evidence: dict[str, Any]) -> pl.DataFrame:
    rows = [("main", "d1", rule, json.dumps(told)) for rule, told in evidence.items()]
    return pl.DataFrame(rows, schema=FINDING_SCHEMA, orient="row")


STALE = {"days": 23, "norm_days": 9, "stage": "Proposal", "last_activity": "2026-02-21"}
PUSHED = {"pushes": 3, "days": 61, "first_close_date": "2026-01-31"}


def said(
    prediction: pl.DataFrame, found: pl.DataFrame | None = None, language: Language = "en"
) -> str:
    told = explain(deals({}), findings() if found is None else found, prediction, norms(), language)
    text: str = told["explanation"].item()
    return text


def test_the_chance_its_grounds_and_what_is_wrong() -> None:
    prediction = predicted(0.262, "learned_stage", 34, 9)
    found = findings(stale=STALE, close_date_pushed=PUSHED)
    assert said(prediction, found) == (
        "26 % chance of winning: 9 of 34 decided deals that reached Proposal were won. "
        "No activity for 23 working days (norm 9); close date pushed 3 times."
    )
    assert said(prediction, found, "nb") == (
        "26 % sjanse for å vinne: 9 av 34 avgjorte avtaler som nådde Proposal, ble vunnet. "
        "Ingen aktivitet på 23 virkedager (norm 9); lukkedato skjøvet 3 ganger."
    )


def test_a_finding_that_is_a_reason_is_told_once() -> None:
    why = "12 % chance: 31 % on average, -19 amount missing."
    reasons = pl.DataFrame({"connection": ["main"], "deal_id": ["d1"], "reasons": [why]})
    prediction = predicted(0.12, "multivariable")
    for found, more in (
        (findings(amount_missing={}, owner_missing={}), " No owner."),
        (findings(amount_missing={}), ""),
    ):
        told = explain(deals({}), found, prediction, norms(), "en", reasons)
        assert told["explanation"].item() == why + more


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("prediction", "says"),
    [
        (predicted(0.72, "learned_stage", 1, 1), ("72 %", "Proposal", "1 ")),
        (predicted(0.3, "learned_pipeline", 120, 40), ("30 %", "40", "120", "Proposal")),
        (predicted(0.3, "learned_account", 9, 3), ("30 %", "3", "9")),
        (predicted(0.4, "crm_stage"), ("40 %", "Proposal", "CRM")),
        (predicted(0.4, "crm_deal"), ("40 %", "CRM")),
        (predicted(None, "unknown"), ("CRM",)),
    ],
)
def test_every_source_of_a_probability_is_named(
    prediction: pl.DataFrame, says: tuple[str, ...], language: Language
) -> None:
    text = said(prediction, language=language)
    assert all(part in text for part in says)
    assert "–" not in text
    assert text.endswith(".")


def test_few_deals_are_admitted() -> None:
    assert "with so few" in said(predicted(0.72, "learned_stage", 1, 1))
    assert "with so few" not in said(predicted(0.26, "learned_stage", 34, 9))


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_never_too_long_and_counts_what_it_leaves_out(language: Language) -> None:
    endless = "Negotiation with the buyer's legal department " * 20
    all_of_them = {rule.code: {**CASES[rule.code]()[2]} for rule in RULES}
    for told in all_of_them.values():
        told.update({name: endless for name in told if name in ("stage", "owner", "currency")})
    long_stage = stages(stage("proposal", 0.4, label=endless))
    told = explain(
        deals({}),
        findings(**all_of_them),
        predicted(0.3, "learned_pipeline", 12_345, 6_789),
        norms(long_stage),
        language,
    )["explanation"].item()
    assert 200 < len(told) <= LONGEST
    assert {"en": " more.", "nb": " til."}[language] in told
    assert told.startswith("30 %")


def test_every_open_deal_has_one_and_no_other() -> None:
    frame = deals({}, {"stage_id": "gone"}, {"status": "won", "closed_on": TODAY})
    told = explain(frame, findings(), predicted(0.4, "crm_stage"), norms(), "en")
    assert told["deal_id"].to_list() == ["d1", "d2"]
    assert told["explanation"][1].startswith("No chance of winning can be stated")
    assert explain(deals(), findings(), predicted(0.4, "crm_stage"), norms(), "en").is_empty()


def test_the_order_of_rows_means_nothing() -> None:
    frame = deals({}, {"last_activity_at": AS_OF - timedelta(days=3)})
    found = findings(stale=STALE, close_date_pushed=PUSHED, no_contact={}, owner_missing={})
    prediction = predicted(0.4, "crm_stage")
    assert_frame_equal(
        explain(frame, found, prediction, norms(), "en"),
        explain(frame.reverse(), found.reverse(), prediction, norms().reverse(), "en"),
    )
