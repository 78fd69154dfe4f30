"""A waterfall in words: its moves, and the one sentence on top; English and Norwegian bokmål."""

from collections.abc import Mapping
from typing import Final

from forecasting.waterfall import Measure, Waterfall
from forecasting.wording import Language, number

START: Final = "start"
END: Final = "end"
NOT_CREATED_YET: Final = "not_created_yet"
"""Of what is expected: deals that do not exist yet."""

MOVE_LABELS: Final[Mapping[str, Mapping[Language, str]]] = {
    START: {"en": "Start", "nb": "Start"},
    "created": {"en": "New deals", "nb": "Nye avtaler"},
    "reopened": {"en": "Reopened", "nb": "Gjenåpnet"},
    "pulled_in": {"en": "Pulled in from later", "nb": "Flyttet hit fra senere"},
    "pushed_in": {"en": "Pushed in from earlier", "nb": "Skjøvet hit fra tidligere"},
    "date_set": {"en": "Close date set", "nb": "Sluttdato satt"},
    "increased": {"en": "Amount raised", "nb": "Beløp økt"},
    "decreased": {"en": "Amount lowered", "nb": "Beløp senket"},
    "stage_moved": {"en": "Stage moved", "nb": "Flyttet i fase"},
    "re_estimated": {"en": "Probability re-estimated", "nb": "Sannsynlighet vurdert på nytt"},
    "currency": {"en": "Exchange rates", "nb": "Valutakurser"},
    "pushed_out": {"en": "Pushed out to later", "nb": "Skjøvet ut til senere"},
    "pulled_out": {"en": "Moved out to earlier", "nb": "Flyttet ut til tidligere"},
    "date_cleared": {"en": "Close date cleared", "nb": "Sluttdato fjernet"},
    "lost": {"en": "Lost", "nb": "Tapt"},
    "won": {"en": "Won", "nb": "Vunnet"},
    "removed": {"en": "Removed in the CRM", "nb": "Fjernet i CRM"},
    "merged": {"en": "Merged", "nb": "Slått sammen"},
    "unrecorded": {"en": "Not recorded then", "nb": "Ikke registrert da"},
    NOT_CREATED_YET: {"en": "Deals not created yet", "nb": "Avtaler som ikke finnes ennå"},
    END: {"en": "End", "nb": "Slutt"},
}

_MEASURES: Final[Mapping[Measure, Mapping[Language, str]]] = {
    Measure.OPEN: {"en": "The open pipeline", "nb": "Åpne avtaler"},
    Measure.WEIGHTED: {"en": "The weighted pipeline", "nb": "Vektet pipeline"},
    Measure.EXPECTED: {"en": "The forecast", "nb": "Prognosen"},
}
_OF: Final[Mapping[Language, str]] = {"en": " for {}", "nb": " for {}"}
_VERBS: Final[Mapping[Language, tuple[str, str, str]]] = {
    "en": ("rose by {} to {}", "fell by {} to {}", "stayed at {}"),
    "nb": ("økte med {} til {}", "falt med {} til {}", "ble stående på {}"),
}
_NAMED: Final = 3


def headline(
    totals: Mapping[str, int],
    found: Waterfall,
    ends: tuple[int, int],
    *,
    period: str | None,
    currency: str,
    language: Language,
) -> str:
    """The change and its largest moves, as one sentence without a full stop.

    totals: move -> cents. ends: start and end in cents, deals not created yet included.
    """
    start, end = ends
    rose, fell, stayed = _VERBS[language]
    verb = rose if end > start else fell if end < start else stayed
    figures = (_whole(end, language),) if end == start else (
        _whole(abs(end - start), language), _whole(end, language),
    )  # fmt: skip
    where = "" if period is None else _OF[language].format(period)
    largest = sorted(totals.items(), key=lambda each: (-abs(each[1]), each[0]))[:_NAMED]
    why = ", ".join(
        f"{MOVE_LABELS[move][language].lower()} {_signed(cents, language)}"
        for move, cents in largest
    )
    told = f"{_MEASURES[found.measure][language]}{where} {verb.format(*figures)} {currency}"
    return f"{told}: {why}" if why else told


def _whole(cents: int, language: Language) -> str:
    return number(round(cents / 100), language)


def _signed(cents: int, language: Language) -> str:
    return ("+" if cents >= 0 else "\N{MINUS SIGN}") + _whole(abs(cents), language)
