"""The properties of a lead that we write, as `fields` has those of a deal."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, Final

from forecasting.wording import Language
from sync.crm.base import PropertySpec, ValueKind
from sync.writeback.fields import Values, rounded

LEAD_SCORE: Final = "dealpulse_lead_score"
LEAD_PROBABILITY: Final = "dealpulse_lead_probability"
LEAD_REASONS: Final = "dealpulse_lead_reasons"
LEAD_COMPUTED_AT: Final = "dealpulse_lead_computed_at"

LEAD_KINDS: Final[Mapping[str, ValueKind]] = {
    LEAD_SCORE: ValueKind.INTEGER,
    LEAD_PROBABILITY: ValueKind.PROBABILITY,
    LEAD_REASONS: ValueKind.TEXT,
    LEAD_COMPUTED_AT: ValueKind.DATETIME,
}
"""Property -> how its value is written, in the order in which they are shown."""

LEAD_NAMES: Final[tuple[str, ...]] = tuple(LEAD_KINDS)

_TEXTS: Final[Mapping[Language, Mapping[str, tuple[str, str]]]] = {
    "en": {
        LEAD_SCORE: (
            "dealpulse: lead score (0-100)",
            "How promising this contact is beside others; empty once it is past the goal. "
            "Computed; a change made here is overwritten.",
        ),
        LEAD_PROBABILITY: (
            "dealpulse: chance of converting",
            "How likely this contact is to reach the goal in time, judged by what became of "
            "earlier ones like it. Computed.",
        ),
        LEAD_REASONS: (
            "dealpulse: why this score",
            "In one sentence, what the lead score rests on. Computed.",
        ),
        LEAD_COMPUTED_AT: (
            "dealpulse: score computed at",
            "When the dealpulse values of this contact were computed. They are refreshed only "
            "when they change.",
        ),
    },
    "nb": {
        LEAD_SCORE: (
            "dealpulse: leadscore (0-100)",
            "Hvor lovende denne kontakten er ved siden av andre; tom når målet er nådd. Beregnet; "
            "endringer her blir overskrevet.",
        ),
        LEAD_PROBABILITY: (
            "dealpulse: sjanse for konvertering",
            "Hvor sannsynlig det er at kontakten når målet i tide, ut fra hvordan det gikk med "
            "tidligere kontakter som ligner. Beregnet.",
        ),
        LEAD_REASONS: (
            "dealpulse: hvorfor denne scoren",
            "Én setning om hva leadscoren bygger på. Beregnet.",
        ),
        LEAD_COMPUTED_AT: (
            "dealpulse: score beregnet",
            "Når dealpulse-verdiene for kontakten ble beregnet. De oppdateres bare når de endrer "
            "seg.",
        ),
    },
}


def lead_specs(language: Language) -> tuple[PropertySpec, ...]:
    return tuple(
        PropertySpec(name=name, kind=kind, label=label, description=description)
        for name, kind in LEAD_KINDS.items()
        for label, description in [_TEXTS[language][name]]
    )


def desired_scores(rows: Iterable[Mapping[str, Any]]) -> dict[str, Values]:
    """lead id -> what each property should hold; rows of `lead_scores.scores`."""
    return {row["lead_id"]: _values(row) for row in rows}


def _values(row: Mapping[str, Any]) -> Values:
    as_of = row["as_of"].astimezone(UTC).replace(microsecond=0, tzinfo=None)
    return {
        LEAD_SCORE: str(row["score"]),
        LEAD_PROBABILITY: rounded(row["probability"]),
        LEAD_REASONS: row["reasons"].strip() or None,
        LEAD_COMPUTED_AT: f"{as_of.isoformat()}Z",
    }
