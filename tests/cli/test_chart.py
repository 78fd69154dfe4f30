"""The back-test's chart: what is drawn, and where."""

from datetime import date
from xml.etree import ElementTree

import pytest

from sync.report.chart import PANEL, Panel, Point, draw

SVG = "{http://www.w3.org/2000/svg}"


def test_a_panel_for_each_horizon_with_the_misses_ringed() -> None:
    held = Point(date(2026, 1, 5), 80, 100, 120, 110)
    missed = Point(date(2026, 1, 12), 80, 100, 120, 150)
    root = ElementTree.fromstring(
        draw([Panel("month", [held, missed]), Panel("quarter", [])], title="A & B", unit="NOK")
    )
    assert int(root.attrib["height"]) >= 2 * PANEL
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"A & B", "month", "quarter", "2026-01-05"} <= set(texts)
    assert len([c for c in root.iter(f"{SVG}circle") if c.attrib["class"] == "outside"]) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_amounts_below_nothing_are_drawn_inside_their_panel(sign: int) -> None:
    low, high = sorted((sign * 80.0, sign * 120.0))
    point = Point(date(2026, 1, 5), low, sign * 100.0, high, sign * 110.0)
    root = ElementTree.fromstring(draw([Panel("month", [point])], title="t", unit="NOK"))
    (band,) = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "band"]
    height, top = float(band.attrib["height"]), float(band.attrib["y"])
    assert height > 0
    assert 0 < top < top + height < float(root.attrib["height"])
