"""What is said of a finding, in both languages, from the evidence as it is stored."""

import json

import pytest

from forecasting.quality import RULES
from forecasting.quality.rule import Rule
from forecasting.rule_words import WORDS, fix, messages
from forecasting.wording import LANGUAGES, Language, day, number, percent, times
from tests.forecasting.quality.test_rules import CASES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_every_rule_speaks(code: str, language: Language) -> None:
    _, _, evidence = CASES[code]()
    for said in (messages(code, evidence, language), fix(code, language)):
        assert said.endswith(".")
        assert said[0].isupper() or said[0].isdigit()
        assert "{" not in said
        assert "None" not in said
    assert messages(code, json.dumps(evidence), language) == messages(code, evidence, language)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_text_is_there_in_both_languages_and_they_differ(rule: Rule) -> None:
    for name in ("title", "fix", "message", "brief"):
        text = getattr(rule.words, name)
        assert set(text) == set(LANGUAGES)
        assert text["en"] != text["nb"]


def test_there_are_words_for_every_rule_in_its_place_and_for_no_other() -> None:
    assert list(WORDS) == [rule.code for rule in RULES]


def test_whole_sentences() -> None:
    stale = {"days": 23, "norm_days": 9, "stage": "Proposal", "last_activity": "2026-02-21"}
    assert messages("stale", stale, "en") == (
        "No human activity since 21 Feb 2026, 23 working days ago; the norm in Proposal is 9."
    )
    assert messages("stale", stale, "nb") == (
        "Ingen aktivitet siden 21. februar 2026, 23 virkedager siden; normen i Proposal er 9."
    )
    overdue = {"days": 1, "close_date": "2026-03-15"}
    assert messages("overdue", overdue, "en") == "The close date, 15 Mar 2026, passed 1 day ago."
    assert messages("overdue", overdue, "nb") == "Lukkedatoen, 15. mars 2026, var for 1 dag siden."


def test_what_is_unknown_is_a_dash() -> None:
    assert messages("unknown_stage", {"stage": None}, "en") == (
        "The deal's stage (–) no longer exists."
    )


def test_a_label_with_braces_is_only_a_label() -> None:
    told = messages("unknown_stage", {"stage": "{0.__class__} {days}"}, "en")
    assert "{0.__class__} {days}" in told


def test_numbers_and_days_as_people_write_them() -> None:
    assert (number(1234567, "en"), number(1234.5, "nb")) == ("1,234,567", "1\u00a0234,50")
    assert (day("2026-12-01", "en"), day("2026-12-01", "nb")) == ("1 Dec 2026", "1. desember 2026")
    assert [times(n, "en") for n in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [times(n, "nb") for n in (1, 2, 3)] == ["én gang", "2 ganger", "3 ganger"]


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.264, "26 %"), (0.996, "> 99 %"), (1.0, "100 %")],
)
def test_nothing_is_rounded_to_certainty(share: float, said: str) -> None:
    assert percent(share) == said
