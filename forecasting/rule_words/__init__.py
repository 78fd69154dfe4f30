"""The quality rules in words, by their codes. They stand apart from what the rules look at, so that
who only speaks of rules (labels in a CRM, alerts) needs no frames.
"""

import json
from collections.abc import Mapping
from typing import Final

from forecasting.rule_words import completeness, consistency, timeliness
from forecasting.rule_words.words import Words
from forecasting.wording import Language, sentence

WORDS: Final[Mapping[str, Words]] = {
    **completeness.WORDS,
    **consistency.WORDS,
    **timeliness.WORDS,
}
"""Of every rule, in the order in which they are shown."""


def messages(rule: str, evidence: str | Mapping[str, object], language: Language) -> str:
    """One finding as a sentence. `evidence`: as found, JSON text or read from it."""
    return sentence(WORDS[rule].message, evidence_of(evidence), language)


def fix(rule: str, language: Language) -> str:
    """What the salesperson can do about it, in one sentence."""
    return WORDS[rule].fix[language]


def titles(language: Language) -> dict[str, str]:
    """Rule -> its name."""
    return {code: words.title[language] for code, words in WORDS.items()}


def evidence_of(evidence: str | Mapping[str, object]) -> Mapping[str, object]:
    """Evidence as a mapping, whichever way it is stored."""
    if not isinstance(evidence, str):
        return evidence
    read: Mapping[str, object] = json.loads(evidence)
    return read
