"""The back-test's chart: what is drawn, and where."""

from datetime import date
from typing import Any
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


def test_everything_stands_at_its_value_in_order_of_the_days() -> None:
    """Between the lines of 0 and of the highest value, 160, which the panel names."""
    days = [date(2026, 1, day) for day in (5, 12, 19)]
    points = [
        Point(day, 80, 100, 120, came) for day, came in zip(days, (60, 110, 160), strict=True)
    ]
    root = ElementTree.fromstring(draw([Panel("month", points)], title="t", unit="NOK"))
    bottom, _, top = (float(line.attrib["y1"]) for line in of_class(root, "line", "grid"))
    assert bottom > top

    def at(value: float) -> Any:
        return pytest.approx(bottom + (top - bottom) * value / 160, abs=0.1)

    for band, middle in zip(
        of_class(root, "rect", "band"), of_class(root, "line", "middle"), strict=True
    ):
        assert float(band.attrib["y"]) == at(120)
        assert float(band.attrib["y"]) + float(band.attrib["height"]) == at(80)
        assert float(middle.attrib["y1"]) == float(middle.attrib["y2"]) == at(100)
    came = of_class(root, "circle", "came")
    assert [float(dot.attrib["cy"]) for dot in came] == [at(60), at(110), at(160)]
    across = [float(dot.attrib["cx"]) for dot in came]
    assert across == sorted(set(across))
    ringed = [float(ring.attrib["cy"]) for ring in of_class(root, "circle", "outside")]
    assert ringed == [at(60), at(160)]  # below P10, and above P90
    assert {"0", "160"} <= {each.text for each in root.iter(f"{SVG}text")}


def of_class(root: ElementTree.Element, tag: str, name: str) -> list[ElementTree.Element]:
    return [each for each in root.iter(f"{SVG}{tag}") if each.get("class") == name]


@pytest.mark.parametrize("sign", [1, -1])
def test_amounts_below_nothing_are_drawn_inside_their_panel(sign: int) -> None:
    low, high = sorted((sign * 80.0, sign * 120.0))
    point = Point(date(2026, 1, 5), low, sign * 100.0, high, sign * 110.0)
    root = ElementTree.fromstring(draw([Panel("month", [point])], title="t", unit="NOK"))
    (band,) = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "band"]
    height, top = float(band.attrib["height"]), float(band.attrib["y"])
    assert height > 0
    assert 0 < top < top + height < float(root.attrib["height"])
