"""Counts and days as people write them."""

import pytest

from forecasting.wording import Language, sentence


@pytest.mark.parametrize(
    ("spec", "value", "english", "norwegian"),
    [
        ("ago", 0, "today", "i dag"),
        ("ago", 1, "1 day ago", "for 1 dag siden"),
        ("ago", 3, "3 days ago", "for 3 dager siden"),
        ("days", 0, "0 days", "0 dager"),
        ("times", 1, "once", "én gang"),
        ("number", 1234.5, "1,234.50", "1\u00a0234,50"),
        ("percent", 0.004, "< 1 %", "< 1 %"),
        ("percent", 0.996, "> 99 %", "> 99 %"),
        ("day", "2026-03-01", "1 Mar 2026", "1. mars 2026"),
        ("ago", None, "–", "–"),
    ],
)
def test_a_field_in_both_languages(spec: str, value: object, english: str, norwegian: str) -> None:
    templates: dict[Language, str] = {"en": f"{{it:{spec}}}", "nb": f"{{it:{spec}}}"}
    assert sentence(templates, {"it": value}, "en") == english
    assert sentence(templates, {"it": value}, "nb") == norwegian
