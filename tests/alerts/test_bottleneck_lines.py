"""A bottleneck in a digest, in every form and both languages."""

from typing import Any, get_args

import pytest

from forecasting.bottlenecks import Code
from forecasting.bottlenecks.wording import NEXT_STEPS
from forecasting.wording import LANGUAGES, Language
from sync.alerts.bottleneck_lines import AlertedBottleneck
from sync.alerts.digest import Message
from sync.alerts.message import compose
from tests.alerts.digests import sentence
from tests.fake_clock import START

SLOW: dict[str, Any] = {
    "code": "slow_stage",
    "certainty": "measured",
    "measure": "ratio_of_days_in_stage",
    "value": 2.6,
    "sample": 1212,
    "cost_per_day": 12_345.6,
    "cost_low": 8000.2,
    "cost_high": 19_000.0,
    "pipeline_id": "1",
    "stage_id": "2",
    "pipeline": None,
    "stage": "Demo <held>",
    "currency": "NOK",
    "evidence": {"against": "next_worst_stage", "here": 31.4, "there": 11.6},
}
DIRTY: dict[str, Any] = {
    **SLOW, "code": "dirty_pipeline", "certainty": "assumed", "value": 0.084, "stage": None,
    "measure": "share_of_open_deals_past_their_time", "evidence": {}, "cost_per_day": 900.0,
    "cost_low": 0.0, "cost_high": 900.0,
}  # fmt: skip


def message(*figures: dict[str, Any], language: Language = "en") -> Message:
    alerts = [AlertedBottleneck(number, each) for number, each in enumerate(figures)]
    return compose(alerts, None, connection="main", language=language, sentence=sentence, at=START)


def test_measure_money_how_sure_and_what_to_do() -> None:
    found = message(DIRTY, SLOW)
    assert found.subject == found.headline == "main: 2 bottlenecks hold up the sale"
    assert (found.to, found.owner, found.tasks, found.alert_ids) == (None, "main", (), (0, 1))
    assert found.text == (
        "- Slow stage: Demo <held> (NOK 12,346 a day)\n"
        "  31 days, 12 days in the next worst.\n"
        "  Measured on 1,212 deals: with 99 % certainty NOK 8,000 to NOK 19,000 a day.\n"
        "  Next: Find out what deals wait for in this stage.\n"
        "- Dirty pipeline (NOK 900 a day)\n"
        "  8 % of open deals are past their time.\n"
        "  Found on 1,212 deals; the cost is an upper limit, as if every open deal took equal "
        "time.\n"
        "  Next: Close the open deals that are older than twice what nine of ten wins took.\n"
    )
    assert "<b>Slow stage: Demo &lt;held&gt;</b> (NOK 12,346 a day)" in found.html
    assert "• *Slow stage: Demo &lt;held&gt;* (NOK 12,346 a day)\n31 days" in found.mrkdwn


def test_in_norwegian() -> None:
    found = message({**SLOW, "told_before": 8000.0, "pipeline": "Salg"}, language="nb")
    assert found.subject == "main: 1 flaskehals bremser salget"
    assert found.text.replace("\u00a0", " ") == (
        "- Treg fase: Demo <held>, Salg (12 346 kr per dag)\n"
        "  31 dager, 12 dager i den nest verste.\n"
        "  Målt på 1 212 avtaler: med 99 % sikkerhet 8 000 kr til 19 000 kr per dag.\n"
        "  Det var 8 000 kr per dag da det sist ble meldt.\n"
        "  Neste steg: Finn ut hva avtalene venter på i denne fasen.\n"
    )


def test_what_it_costs_may_not_be_known() -> None:
    found = message({**SLOW, "cost_per_day": None, "cost_low": None, "cost_high": None})
    assert found.text.startswith("- Slow stage: Demo <held> (cost not known)\n")
    assert "  Measured on 1,212 deals.\n" in found.text


MEASURES = {
    "dirty_pipeline": ["share_of_open_deals_past_their_time"],
    "unclear_process": ["share_that_skipped_or_went_back", "share_that_missed_exit_criteria"],
    "long_cycles": ["days_saved_at_the_median_pace"],
    "poor_data": ["share_with_poor_data"],
    "slow_stage": ["ratio_of_days_in_stage"],
    "leaky_stage": ["ratio_of_deals_lost_in_stage"],
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", get_args(Code))
def test_every_kind_can_be_told(code: Code, language: Language) -> None:
    for measure in MEASURES[code]:
        found = message({**SLOW, "code": code, "measure": measure, "value": 0.2}, language=language)
        assert NEXT_STEPS[code][language] in found.text
        assert "–" not in found.text  # nothing was unknown
