"""Numbers, days and counts as people write them, in English and Norwegian bokmål."""

from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import Any, Final, Literal

Language = Literal["en", "nb"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "nb")

_MONTHS: Final = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "nb": (
        *("januar", "februar", "mars", "april", "mai", "juni"),
        *("juli", "august", "september", "oktober", "november", "desember"),
    ),
}
_TIMES: Final = {"en": {1: "once", 2: "twice"}, "nb": {1: "én gang"}}
_NO_BREAK: Final = "\u00a0"


def day(value: date | str, language: Language) -> str:
    """`31 Mar 2026`, `31. mars 2026`; takes a date or its ISO form."""
    when = value if isinstance(value, date) else date.fromisoformat(value[:10])
    dot = "." if language == "nb" else ""
    return f"{when.day}{dot} {_MONTHS[language][when.month - 1]} {when.year}"


def number(value: float, language: Language) -> str:
    """`1,234.50` or `1 234,50`; no decimals where there are none."""
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    if language == "en":
        return text
    return text.translate({ord(","): _NO_BREAK, ord("."): ","})


def percent(share: float) -> str:
    """`26 %`; never rounded to certainty."""
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{share * 100:.0f} %"


def days(count: int, language: Language) -> str:
    one, many = ("day", "days") if language == "en" else ("dag", "dager")
    return f"{number(count, language)} {one if count == 1 else many}"


def ago(count: int, language: Language) -> str:
    """`today`, `3 days ago`; `i dag`, `for 3 dager siden`."""
    if count == 0:
        return "today" if language == "en" else "i dag"
    length = days(count, language)
    return f"{length} ago" if language == "en" else f"for {length} siden"


def times(count: int, language: Language) -> str:
    many = "times" if language == "en" else "ganger"
    return _TIMES[language].get(count, f"{number(count, language)} {many}")


class _Sentence(Formatter):
    """Fields take `:day`, `:number`, `:days`, `:ago`, `:times` or `:percent`; an unknown value is
    shown as a dash.
    """

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return "–"
        match format_spec:
            case "day":
                return day(value, self._language)
            case "number":
                return number(value, self._language)
            case "days":
                return days(int(value), self._language)
            case "ago":
                return ago(int(value), self._language)
            case "times":
                return times(int(value), self._language)
            case "percent":
                return percent(float(value))
        return str(value)


_SENTENCES: Final = {language: _Sentence(language) for language in LANGUAGES}


def sentence(
    templates: Mapping[Language, str], values: Mapping[str, object], language: Language
) -> str:
    """The template of that language with `values` filled in; KeyError for one it lacks."""
    return _SENTENCES[language].vformat(templates[language], (), values)


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
