"""The properties that we write: what they are called, how they are explained, what they hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from forecasting.rule_words import titles
from forecasting.wording import Language
from sync.crm.base import PropertySpec, ValueKind

WIN_PROBABILITY: Final = "dealpulse_win_probability"
WIN_BY_MONTH: Final = "dealpulse_win_by_month"
WIN_BY_QUARTER: Final = "dealpulse_win_by_quarter"
CALL: Final = "dealpulse_call"
PREDICTED_CLOSE: Final = "dealpulse_predicted_close"
EXPECTED_AMOUNT: Final = "dealpulse_expected_amount"
QUALITY_SCORE: Final = "dealpulse_quality_score"
FINDINGS: Final = "dealpulse_findings"
STALE_DAYS: Final = "dealpulse_stale_days"
EXPLANATION: Final = "dealpulse_explanation"
COMPUTED_AT: Final = "dealpulse_computed_at"

KINDS: Final[Mapping[str, ValueKind]] = {
    WIN_PROBABILITY: ValueKind.PROBABILITY,
    WIN_BY_MONTH: ValueKind.PROBABILITY,
    WIN_BY_QUARTER: ValueKind.PROBABILITY,
    CALL: ValueKind.CHOICE,
    PREDICTED_CLOSE: ValueKind.DATE,
    EXPECTED_AMOUNT: ValueKind.AMOUNT,
    QUALITY_SCORE: ValueKind.INTEGER,
    FINDINGS: ValueKind.CHOICES,
    STALE_DAYS: ValueKind.INTEGER,
    EXPLANATION: ValueKind.TEXT,
    COMPUTED_AT: ValueKind.DATETIME,
}
"""Property -> how its value is written, in the order in which they are shown."""

PROPERTY_NAMES: Final[tuple[str, ...]] = tuple(KINDS)
"""Everything that write-back may ever touch."""

Values = Mapping[str, str | None]
"""Property -> its text form by `ValueKind`, None = empty."""

_TEXTS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "en": {
        WIN_PROBABILITY: (
            "dealpulse: chance of winning",
            "How likely this deal is to be won, judged by what became of earlier deals like it. "
            "Computed; a change made here is overwritten.",
        ),
        WIN_BY_MONTH: (
            "dealpulse: won this month",
            "How likely this deal is to be won before the month is over. Computed.",
        ),
        WIN_BY_QUARTER: (
            "dealpulse: won this quarter",
            "How likely this deal is to be won before the quarter is over. Computed.",
        ),
        CALL: (
            "dealpulse: call",
            "The likeliest of three: won this quarter, won later, not won. Computed.",
        ),
        PREDICTED_CLOSE: (
            "dealpulse: predicted close",
            "If it is won, as likely before this day as after it, by what earlier deals like it "
            "took. Computed; your own close date stays as it is.",
        ),
        EXPECTED_AMOUNT: (
            "dealpulse: expected amount",
            "The amount times the chance of winning, in the company's currency. Computed.",
        ),
        QUALITY_SCORE: (
            "dealpulse: data quality (0-100)",
            "How complete, current and consistent this deal's data is; 100 = nothing to put "
            "right. Computed.",
        ),
        FINDINGS: (
            "dealpulse: to put right",
            "What is wrong with this deal's data or needs attention. Empties by itself when it is "
            "put right. Computed.",
        ),
        STALE_DAYS: (
            "dealpulse: days without activity",
            "Days since a person last did something with this deal. Refreshed about once a week. "
            "Computed.",
        ),
        EXPLANATION: (
            "dealpulse: why",
            "In one sentence, what the chance of winning rests on. Computed.",
        ),
        COMPUTED_AT: (
            "dealpulse: computed at",
            "When the dealpulse values of this deal were computed. They are refreshed only when "
            "they change.",
        ),
    },
    "nb": {
        WIN_PROBABILITY: (
            "dealpulse: sjanse for å vinne",
            "Hvor sannsynlig det er at denne avtalen vinnes, ut fra hvordan det gikk med tidligere "
            "avtaler som ligner. Beregnet; endringer her blir overskrevet.",
        ),
        WIN_BY_MONTH: (
            "dealpulse: vunnet denne måneden",
            "Hvor sannsynlig det er at avtalen vinnes før måneden er over. Beregnet.",
        ),
        WIN_BY_QUARTER: (
            "dealpulse: vunnet dette kvartalet",
            "Hvor sannsynlig det er at avtalen vinnes før kvartalet er over. Beregnet.",
        ),
        CALL: (
            "dealpulse: utfall",
            "Det mest sannsynlige av tre: vunnet dette kvartalet, vunnet senere, ikke vunnet. "
            "Beregnet.",
        ),
        PREDICTED_CLOSE: (
            "dealpulse: beregnet sluttdato",
            "Hvis avtalen vinnes, like sannsynlig før denne dagen som etter, ut fra hvor lang tid "
            "tidligere avtaler som ligner, tok. Beregnet; din egen sluttdato blir stående.",
        ),
        EXPECTED_AMOUNT: (
            "dealpulse: forventet beløp",
            "Beløpet ganger sjansen for å vinne, i selskapets valuta. Beregnet.",
        ),
        QUALITY_SCORE: (
            "dealpulse: datakvalitet (0-100)",
            "Hvor fullstendige, ferske og motsigelsesfrie dataene om avtalen er; 100 = ingenting å "
            "rette. Beregnet.",
        ),
        FINDINGS: (
            "dealpulse: bør rettes",
            "Det som er feil i dataene om avtalen eller trenger oppmerksomhet. Tømmes av seg selv "
            "når det er rettet. Beregnet.",
        ),
        STALE_DAYS: (
            "dealpulse: dager uten aktivitet",
            "Dager siden noen sist gjorde noe med denne avtalen. Oppdateres omtrent én gang i "
            "uken. Beregnet.",
        ),
        EXPLANATION: (
            "dealpulse: hvorfor",
            "Én setning om hva sjansen for å vinne bygger på. Beregnet.",
        ),
        COMPUTED_AT: (
            "dealpulse: beregnet",
            "Når dealpulse-verdiene for avtalen ble beregnet. De oppdateres bare når de endrer "
            "seg.",
        ),
    },
}

_CALLS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "en": (("WIN", "Won this quarter"), ("SLIP", "Won later"), ("LOSE", "Not won")),
    "nb": (("WIN", "Vinnes i kvartalet"), ("SLIP", "Vinnes senere"), ("LOSE", "Vinnes ikke")),
}

_CENT: Final = Decimal("0.01")


def specs(language: Language) -> tuple[PropertySpec, ...]:
    """The properties in `PROPERTY_NAMES`, labelled in `language`; the options of the findings are
    the quality rules.
    """
    options = {FINDINGS: tuple(titles(language).items()), CALL: _CALLS[language]}
    return tuple(
        PropertySpec(
            name=name,
            kind=kind,
            label=_TEXTS[language][name][0],
            description=_TEXTS[language][name][1],
            options=options.get(name, ()),
        )
        for name, kind in KINDS.items()
    )


def labels(language: Language) -> Mapping[str, str]:
    """Property -> the label that salespeople see."""
    return {name: label for name, (label, _) in _TEXTS[language].items()}


@dataclass(frozen=True, slots=True)
class Assessed:
    """What was said of one open deal; a row of `deal_assessment`.

    Chances are 0-1, expected_amount in home currency; call: WIN, SLIP or LOSE; None = could not be
    computed.
    """

    deal_id: str
    as_of: datetime
    quality_score: int
    win_probability: float | None
    expected_amount: float | None
    stale_days: int
    explanation: str
    win_probability_by_month: float | None = None
    win_probability_by_quarter: float | None = None
    call: str | None = None
    predicted_close_on: date | None = None


def desired_values(
    assessments: Iterable[Assessed], findings: Iterable[tuple[str, str]]
) -> dict[str, dict[str, str | None]]:
    """deal id -> what each property should hold. findings: (deal id, rule code)."""
    rules: dict[str, set[str]] = {}
    for deal_id, rule in findings:
        rules.setdefault(deal_id, set()).add(rule)
    return {
        assessed.deal_id: _values(assessed, rules.get(assessed.deal_id, set()))
        for assessed in assessments
    }


def _values(assessed: Assessed, rules: set[str]) -> dict[str, str | None]:
    # Seconds, because a CRM that keeps milliseconds would give back another text than was sent.
    as_of = assessed.as_of.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    return {
        WIN_PROBABILITY: rounded(assessed.win_probability),
        WIN_BY_MONTH: rounded(assessed.win_probability_by_month),
        WIN_BY_QUARTER: rounded(assessed.win_probability_by_quarter),
        CALL: assessed.call,
        PREDICTED_CLOSE: day.isoformat() if (day := assessed.predicted_close_on) else None,
        EXPECTED_AMOUNT: rounded(assessed.expected_amount),
        QUALITY_SCORE: str(assessed.quality_score),
        FINDINGS: ";".join(sorted(rules)) or None,
        STALE_DAYS: str(assessed.stale_days),
        EXPLANATION: assessed.explanation.strip() or None,
        COMPUTED_AT: f"{as_of.isoformat()}Z",
    }


def rounded(value: float | None) -> str | None:
    """Two decimals, half to even, from the shortest decimal that is this float (not 0.285 as
    0.28499...); never "-0.00".
    """
    if value is None:
        return None
    rounded = Decimal(repr(float(value))).quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return f"{abs(rounded) if rounded == 0 else rounded:f}"
