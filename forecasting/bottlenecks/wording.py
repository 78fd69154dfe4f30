"""What a bottleneck is called, and what to do about it, in English and Norwegian."""

from collections.abc import Mapping
from typing import Final

from forecasting.bottlenecks.bottleneck import Certainty, Code
from forecasting.wording import Language, sentence

TITLES: Final[Mapping[Code, Mapping[Language, str]]] = {
    "dirty_pipeline": {"en": "Dirty pipeline", "nb": "Uryddig pipeline"},
    "unclear_process": {"en": "Unclear process", "nb": "Uklar prosess"},
    "long_cycles": {
        "en": "Long cycles for want of structure",
        "nb": "Lange salgssykluser uten struktur",
    },
    "poor_data": {"en": "Poor data", "nb": "Dårlige data"},
    "slow_stage": {"en": "Slow stage", "nb": "Treg fase"},
    "leaky_stage": {"en": "Leaky stage", "nb": "Fase med stort frafall"},
}

NEXT_STEPS: Final[Mapping[Code, Mapping[Language, str]]] = {
    "dirty_pipeline": {
        "en": "Close the open deals that are older than twice what nine of ten wins took.",
        "nb": "Lukk åpne avtaler som er eldre enn det dobbelte av hva ni av ti vunne tok.",
    },
    "unclear_process": {
        "en": "Agree on what a deal needs before it leaves a stage, and set it as exit criteria.",
        "nb": "Bli enige om hva en avtale må ha før den forlater hver fase, og sett det som krav.",
    },
    "long_cycles": {
        "en": "Let the slowest owners work as those at the median do, stage by stage.",
        "nb": "La de tregeste eierne arbeide som de ved medianen, fase for fase.",
    },
    "poor_data": {
        "en": "Fill in amount, close date and owner before half the usual cycle has passed.",
        "nb": "Fyll inn beløp, sluttdato og eier før halve den vanlige syklusen er gått.",
    },
    "slow_stage": {
        "en": "Find out what deals wait for in this stage.",
        "nb": "Finn ut hva avtalene venter på i denne fasen.",
    },
    "leaky_stage": {
        "en": "Look at why deals are lost in this stage, and qualify for that earlier.",
        "nb": "Se på hvorfor avtaler tapes i denne fasen, og kvalifiser for det tidligere.",
    },
}

CERTAINTIES: Final[Mapping[Certainty, Mapping[Language, str]]] = {
    "measured": {"en": "measured", "nb": "målt"},
    "assumed": {"en": "found; cost is an upper limit", "nb": "funnet; kostnaden er en øvre grense"},
    "hint": {"en": "hint only", "nb": "bare et hint"},
    "not_shown": {"en": "not shown", "nb": "ikke påvist"},
    "too_few": {"en": "too few to compare", "nb": "for få å sammenligne"},
}

_FINDINGS: Final[Mapping[str, Mapping[Language, str]]] = {
    "share_of_open_deals_past_their_time": {
        "en": "{value:percent} of open deals are past their time",
        "nb": "{value:percent} av de åpne avtalene er over tiden",
    },
    "share_that_skipped_or_went_back": {
        "en": "{value:percent} had skipped a stage or gone back",
        "nb": "{value:percent} hadde hoppet over en fase eller gått tilbake",
    },
    "share_that_missed_exit_criteria": {
        "en": "{value:percent} missed the exit criteria",
        "nb": "{value:percent} manglet det som kreves for å forlate fasen",
    },
    "share_with_poor_data": {
        "en": "{value:percent} lacked amount, close date or owner",
        "nb": "{value:percent} manglet beløp, sluttdato eller eier",
    },
    "days_saved_at_the_median_pace": {
        "en": "{value:days} saved if all sold at the median owner's pace",
        "nb": "{value:days} spart om alle solgte i medianeierens tempo",
    },
    "ratio_of_days_in_stage": {
        "en": "{here:days}, {there:days} {against}",
        "nb": "{here:days}, {there:days} {against}",
    },
    "ratio_of_deals_lost_in_stage": {
        "en": "{here:percent} lost, {there:percent} {against}",
        "nb": "{here:percent} tapt, {there:percent} {against}",
    },
}
_AGAINST: Final[Mapping[str, Mapping[Language, str]]] = {
    "next_worst_stage": {"en": "in the next worst", "nb": "i den nest verste"},
    "a_year_ago": {"en": "a year ago", "nb": "for et år siden"},
}
_SURE: Final[Mapping[str, Mapping[Language, str]]] = {
    "measured": {
        "en": "Measured on {sample:number} deals: with 99 % certainty {low} to {high} a day.",
        "nb": "Målt på {sample:number} avtaler: med 99 % sikkerhet {low} til {high} per dag.",
    },
    "assumed": {
        "en": "Found on {sample:number} deals; the cost is an upper limit, as if every open deal "
        "took equal time.",
        "nb": "Funnet på {sample:number} avtaler; kostnaden er en øvre grense, som om alle åpne "
        "avtaler tok like mye tid.",
    },
    "no_cost": {
        "en": "Measured on {sample:number} deals.",
        "nb": "Målt på {sample:number} avtaler.",
    },
}


def finding(
    measure: str, value: float | None, evidence: Mapping[str, object], language: Language
) -> str:
    """What was measured, in few words; empty where it was not."""
    if value is None:
        return ""
    figures: dict[str, object] = {"value": value, **evidence}
    if "days" in measure:
        figures |= {n: round(float(str(figures[n]))) for n in _DAYS if n in figures}
    against = _AGAINST.get(str(evidence.get("against")), {}).get(language)
    return sentence(_FINDINGS[measure], {**figures, "against": against}, language)


_DAYS: Final = ("value", "here", "there")


def sureness(
    certainty: Certainty, sample: int, interval: tuple[str, str] | None, language: Language
) -> str:
    """How sure a bottleneck that is shown is. interval: of the money a day, None = not known."""
    kind = "no_cost" if certainty == "measured" and interval is None else certainty
    low, high = interval or ("", "")
    return sentence(_SURE[kind], {"sample": sample, "low": low, "high": high}, language)
