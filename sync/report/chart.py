"""Forecast bands against what came, as a small SVG, drawn without a library."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Final

WIDTH: Final = 960
PANEL: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 20, 40, 50
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:13px}"
    ".band{fill:#9ec5e8;fill-opacity:.6}.middle{stroke:#1f5f99;stroke-width:2}"
    ".came{fill:#c0392b}.grid{stroke:#ddd}.outside{fill:none;stroke:#c0392b;stroke-width:2}"
)


@dataclass(frozen=True, slots=True)
class Point:
    """One forecast: the 80 % interval as stated at `origin`, and what came."""

    origin: date
    p10: float
    p50: float
    p90: float
    actual: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One row of the chart; points in order of origin."""

    title: str
    points: Sequence[Point]


def draw(panels: Sequence[Panel], *, title: str, unit: str) -> str:
    """The SVG's text. Each panel has a scale of its own from 0, or below, to its highest value."""
    height = _TOP + PANEL * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>',
        f'<text x="{WIDTH - _RIGHT}" y="20" text-anchor="end">band: P10-P90, line: P50, '
        f"dot: what came (ringed: outside); {escape(unit)}</text>",
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _TOP + PANEL * number)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, top: int) -> list[str]:
    points = panel.points
    base = top + PANEL - _BOTTOM
    tall = PANEL - _BOTTOM - 30
    lowest = min((0.0, *(min(p.p10, p.actual) for p in points)))
    span = max((0.0, *(max(p.p90, p.actual) for p in points))) - lowest or 1.0
    step = (WIDTH - _LEFT - _RIGHT) / max(len(points), 1)
    half = min(step * 0.35, 18)

    def y(value: float) -> str:
        return f"{base - (value - lowest) / span * tall:.1f}"

    parts = [f'<text class="title" x="{_LEFT}" y="{top + 18}">{escape(panel.title)}</text>']
    for share in (0, 0.5, 1):
        value = lowest + span * share
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value)}" '
            f'y2="{y(value)}"/>'
            f'<text x="{_LEFT - 6}" y="{y(value)}" dy="4" text-anchor="end">{_short(value)}</text>'
        )
    labelled = max(1, -(-len(points) // 12))
    for index, p in enumerate(points):
        x = _LEFT + step * (index + 0.5)
        outside = not p.p10 <= p.actual <= p.p90
        parts.append(
            f"<g><title>{p.origin}: P10 {p.p10:.0f}, P50 {p.p50:.0f}, P90 {p.p90:.0f}, "
            f"came {p.actual:.0f}</title>"
            f'<rect class="band" x="{x - half:.1f}" width="{2 * half:.1f}" y="{y(p.p90)}" '
            f'height="{(p.p90 - p.p10) / span * tall:.1f}"/>'
            f'<line class="middle" x1="{x - half:.1f}" x2="{x + half:.1f}" y1="{y(p.p50)}" '
            f'y2="{y(p.p50)}"/>'
            f'<circle class="came" cx="{x:.1f}" cy="{y(p.actual)}" r="4"/>'
            + (
                f'<circle class="outside" cx="{x:.1f}" cy="{y(p.actual)}" r="8"/>'
                if outside
                else ""
            )
            + "</g>"
        )
        if index % labelled == 0:
            parts.append(
                f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{p.origin}</text>'
            )
    return parts


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
