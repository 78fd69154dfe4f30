"""The properties in the CRM, and what each should hold."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import get_args

import pytest

from forecasting.quality import RULES
from forecasting.wording import Language
from sync.crm.base import ValueKind
from sync.writeback import fields
from sync.writeback.fields import Assessed, desired_values, labels, specs


def assessed(**changes: object) -> Assessed:
    values = {
        "deal_id": "1",
        "as_of": datetime(2026, 3, 16, 9, 0, 0, 123456, tzinfo=UTC),
        "quality_score": 85,
        "win_probability": 0.424,
        "win_probability_by_month": 0.051,
        "win_probability_by_quarter": 0.306,
        "call": "SLIP",
        "predicted_close_on": date(2026, 5, 4),
        "expected_amount": 1234.5,
        "stale_days": 3,
        "explanation": "Won 42 % of the time. ",
        **changes,
    }
    return Assessed(**values)  # type: ignore[arg-type]


def test_an_assessment_becomes_texts() -> None:
    found = desired_values([assessed()], [("1", "stale"), ("1", "amount_missing"), ("9", "stale")])
    assert found == {
        "1": {
            "dealpulse_win_probability": "0.42",
            "dealpulse_win_by_month": "0.05",
            "dealpulse_win_by_quarter": "0.31",
            "dealpulse_call": "SLIP",
            "dealpulse_predicted_close": "2026-05-04",
            "dealpulse_expected_amount": "1234.50",
            "dealpulse_quality_score": "85",
            "dealpulse_findings": "amount_missing;stale",
            "dealpulse_stale_days": "3",
            "dealpulse_explanation": "Won 42 % of the time.",
            "dealpulse_computed_at": "2026-03-16T09:00:00Z",
        }
    }


def test_what_could_not_be_computed_is_empty() -> None:
    values = desired_values(
        [
            assessed(
                win_probability=None,
                call=None,
                predicted_close_on=None,
                expected_amount=None,
                explanation=" ",
            )
        ],
        [],
    )["1"]
    empty = {name for name, text in values.items() if text is None}
    assert empty == {
        fields.WIN_PROBABILITY,
        fields.CALL,
        fields.PREDICTED_CLOSE,
        fields.EXPECTED_AMOUNT,
        fields.FINDINGS,
        fields.EXPLANATION,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.285, "0.28"),  # half to even
        (0.275, "0.28"),
        (1.005, "1.00"),  # the float is below the half, its shortest decimal is on it
        (1e21, "1000000000000000000000.00"),
        (1e-9, "0.00"),
        (-0.001, "0.00"),
        (-12.345, "-12.34"),
    ],
)
def test_amounts_round_half_to_even_as_they_are_shown(value: float, text: str) -> None:
    values = desired_values([assessed(expected_amount=value)], [])["1"]
    assert values[fields.EXPECTED_AMOUNT] == text


def test_computed_at_is_in_utc() -> None:
    oslo = datetime(2026, 3, 16, 10, tzinfo=timezone(timedelta(hours=1)))
    values = desired_values([assessed(as_of=oslo)], [])["1"]
    assert values[fields.COMPUTED_AT] == "2026-03-16T09:00:00Z"


@pytest.mark.parametrize("language", get_args(Language))
def test_every_property_is_labelled_in_every_language(language: Language) -> None:
    found = specs(language)
    assert tuple(spec.name for spec in found) == fields.PROPERTY_NAMES
    assert {spec.name: spec.kind for spec in found} == fields.KINDS
    assert all(spec.label.startswith("dealpulse: ") for spec in found)
    assert len({spec.label for spec in found}) == len(found)
    assert all(spec.description.endswith(".") for spec in found)
    assert labels(language) == {spec.name: spec.label for spec in found}


def test_the_findings_and_the_call_have_options() -> None:
    options = {spec.name: spec.options for spec in specs("en") if spec.options}
    assert options.keys() == {fields.CALL, fields.FINDINGS}
    assert options[fields.FINDINGS] == tuple((rule.code, rule.words.title["en"]) for rule in RULES)
    assert {value for value, _ in options[fields.CALL]} == {"WIN", "SLIP", "LOSE"}
    (findings,) = [spec for spec in specs("en") if spec.kind is ValueKind.CHOICES]
    assert findings.name == fields.FINDINGS


def test_the_languages_differ() -> None:
    english, norwegian = specs("en"), specs("nb")
    assert all(e.label != n.label for e, n in zip(english, norwegian, strict=True))
    assert all(e.description != n.description for e, n in zip(english, norwegian, strict=True))
