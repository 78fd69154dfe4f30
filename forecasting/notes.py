"""Why a figure is not what was asked for, as a key to store and a sentence to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from forecasting.wording import Language, sentence

_TEXTS: Final[Mapping[str, Mapping[Language, str]]] = {
    "not_enough_history": {
        "en": "Not enough history: showing {shown} instead.",
        "nb": "For lite historikk: viser {shown} i stedet.",
    },
    "few_finished_origins": {
        "en": "The range rests on {shown:number} finished forecasts of this account; until there "
        "are more, 10 % is assumed.",
        "nb": "Spennet hviler på {shown:number} avsluttede prognoser for denne kontoen; inntil det "
        "er flere, antas 10 %.",
    },
    "nothing_to_come": {
        "en": "No open deal can count in it and no new ones can be foreseen: only what is won "
        "already is known, so no range is told.",
        "nb": "Ingen åpne avtaler kan telle med, og nye kan ikke forutses: bare det som er vunnet, "
        "er kjent, så noe spenn oppgis ikke.",
    },
    "few_won_deals": {
        "en": "Learned from no more than {shown:number} won deals, too few to count on.",
        "nb": "Lært av ikke mer enn {shown:number} vunne avtaler, for få til å regne med.",
    },
    "nothing_came": {
        "en": "In none of the finished tests did anything more come in, so they hardly say which "
        "method is better.",
        "nb": "I ingen av de avsluttede testene kom det inn noe mer, så de sier knapt hvilken "
        "metode som er best.",
    },
    "nothing_won_since": {
        "en": "Nothing has been won since {shown:day}: after more than a year the past says little "
        "of what is to come. If these deals are an old export, bring a newer one.",
        "nb": "Ingenting er vunnet siden {shown:day}: etter mer enn et år sier fortiden lite om "
        "det som kommer. Er avtalene en gammel eksport, hent en nyere.",
    },
    "no_method": {
        "en": "No method can say anything yet.",
        "nb": "Ingen metode kan si noe ennå.",
    },
}

_NOTHING: Final[Mapping[Language, str]] = {"en": "nothing", "nb": "ingenting"}


@dataclass(frozen=True, slots=True)
class Note:
    """`code`: one of `CODES`; `shown`: what is shown instead, or the number or day behind it."""

    code: str
    shown: str = ""

    @property
    def key(self) -> str:
        """For storing: `not_enough_history:historical`, `few_finished_origins:3`."""
        return f"{self.code}:{self.shown}" if self.shown else self.code

    @classmethod
    def of(cls, key: str) -> Self:
        """The note that `key` stands for. ValueError for an unknown code."""
        code, _, shown = key.partition(":")
        if code not in CODES:
            raise ValueError(f"{key!r} is no note: one of {', '.join(CODES)}")
        return cls(code, shown)

    def text(self, language: Language) -> str:
        """The sentence. A method's name stands as in the tables, `_` shown as a space."""
        name = _NOTHING[language] if self.shown == "nothing" else self.shown.replace("_", " ")
        shown = int(self.shown) if self.shown.isdecimal() else name
        return sentence(_TEXTS[self.code], {"shown": shown}, language)


CODES: Final = tuple(_TEXTS)
