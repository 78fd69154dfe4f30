"""Bottlenecks in a message: what and where, the money a day, how sure, what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from forecasting.bottlenecks import wording
from forecasting.wording import Language, capitalised
from sync.alerts.bottleneck_rules import Figures
from sync.alerts.rendering import Line
from sync.alerts.texts import money, plain

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "headline_1": "{connection}: 1 bottleneck holds up the sale",
        "headline_n": "{connection}: {count} bottlenecks hold up the sale",
        "cost": "{money} a day",
        "no_cost": "cost not known",
        "before": "It was {money} a day when it was told last.",
    },
    "nb": {
        "headline_1": "{connection}: 1 flaskehals bremser salget",
        "headline_n": "{connection}: {count} flaskehalser bremser salget",
        "cost": "{money} per dag",
        "no_cost": "ukjent kostnad",
        "before": "Det var {money} per dag da det sist ble meldt.",
    },
}


@dataclass(frozen=True, slots=True)
class AlertedBottleneck:
    """One alert on a bottleneck to be told. figures: as they were when it was raised."""

    alert_id: int
    figures: Figures


def headline(count: int, connection: str, language: Language) -> str:
    number = "1" if count == 1 else "n"
    return _TEXTS[language][f"headline_{number}"].format(connection=connection, count=count)


def bottleneck_lines(alerts: Sequence[AlertedBottleneck], language: Language) -> list[Line]:
    """The dearest first, those of unknown cost last."""
    ordered = sorted(alerts, key=lambda each: (-(each.figures["cost_per_day"] or 0), each.alert_id))
    return [bottleneck_line(each.figures, language) for each in ordered]


def bottleneck_line(figures: Figures, language: Language) -> Line:
    texts = _TEXTS[language]

    def amount(value: float) -> str:
        return money(Decimal(round(value)), figures["currency"], language)

    cost, before = figures["cost_per_day"], figures.get("told_before")
    measured = wording.finding(figures["measure"], figures["value"], figures["evidence"], language)
    said = [
        f"{capitalised(measured)}.",
        wording.sureness(
            figures["certainty"],
            figures["sample"],
            None if cost is None else (amount(figures["cost_low"]), amount(figures["cost_high"])),
            language,
        ),
    ]
    if before is not None:
        said.append(texts["before"].format(money=amount(before)))
    return Line(
        title=title(figures, language),
        amount=texts["no_cost"] if cost is None else texts["cost"].format(money=amount(cost)),
        why=tuple(said),
        steps=(wording.NEXT_STEPS[figures["code"]][language],),
        url=None,
    )


def title(figures: Figures, language: Language) -> str:
    what = wording.TITLES[figures["code"]][language]
    where = ", ".join(plain(each) for each in (figures["stage"], figures["pipeline"]) if each)
    return f"{what}: {where}" if where else what
