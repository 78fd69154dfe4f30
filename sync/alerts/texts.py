"""Amounts and titles as they stand in alerts. Pure."""

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from babel.numbers import format_currency, format_decimal

from forecasting.wording import Language

_LOCALES: Final[Mapping[str, str]] = {"en": "en", "nb": "nb_NO"}
_CURRENCY: Final[Mapping[str, str]] = {"en": "¤¤ #,##0;-¤¤ #,##0", "nb": "#,##0 ¤;-#,##0 ¤"}
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_NO_AMOUNT: Final[Mapping[str, str]] = {"en": "no amount", "nb": "uten beløp"}


def money(amount: Decimal | None, currency: str | None, language: Language) -> str:
    """An amount in whole units as people of that language write it: "NOK 1,250,000",
    "1 250 000 kr".
    """
    if amount is None:
        return _NO_AMOUNT[language]
    locale = _LOCALES[language]
    if currency is None:
        return format_decimal(amount, "#,##0", locale=locale)
    return format_currency(
        amount, currency, _CURRENCY[language], locale=locale, currency_digits=False
    )


def plain(text: str) -> str:
    """One line without control characters, for a title that anybody could have typed."""
    spaced = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace()
        or (unicodedata.category(character) not in ("Cc", "Cs") and character not in _BIDI)
    )
    return " ".join(spaced.split())
