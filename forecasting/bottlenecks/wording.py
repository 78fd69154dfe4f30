"""What a bottleneck is called, and what to do about it, in English and Norwegian."""

from collections.abc import Mapping
from typing import Final, Literal

from forecasting.bottlenecks.bottleneck import Certainty, Code

Language = Literal["en", "nb"]

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
