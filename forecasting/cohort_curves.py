"""Cumulative chances of being won and of being lost since a beginning, of cells of deals.

Aalen-Johansen estimates with two ways out: a deal still open counts for as long as it was watched,
and no longer. Thin cells take part of a wider one's curve.
"""

from typing import Final

import numpy as np

from forecasting.tracks import Floats, Ints

FOLLOWED: Final = np.concatenate(
    [np.arange(0, 28), np.arange(28, 182, 7), np.arange(182, 729, 28)]
).astype(float)
"""Days after the beginning at which the curves are known; straight lines between."""

PRIOR_DEALS: Final = 10.0
"""How many deals' worth of the wider curve are mixed into a narrower one."""


class Curves:
    """Cumulative chances of being won and of being lost, one row per cell, on `FOLLOWED`."""

    def __init__(self, won: Floats, lost: Floats) -> None:
        self.won = won
        self.lost = lost

    def by(self, cell: Ints, days: float) -> Floats:
        """P(won within `days`) of each `cell`; flat after the last day that is known."""
        upper = int(np.searchsorted(FOLLOWED, days, "left"))
        if upper >= len(FOLLOWED):
            return np.asarray(self.won[cell, -1])
        if upper == 0:
            return np.zeros(len(cell))
        share = (days - FOLLOWED[upper - 1]) / (FOLLOWED[upper] - FOLLOWED[upper - 1])
        before, after = self.won[cell, upper - 1], self.won[cell, upper]
        return np.asarray(before * (1 - share) + after * share)


def curves(
    cell: Ints,
    cells: int,
    days: Floats,
    won: np.ndarray,
    lost: np.ndarray,
    deals: Floats,
    wider: "Curves | None" = None,
    wider_cell: Ints | None = None,
    prior: float = PRIOR_DEALS,
) -> Curves:
    """Aalen-Johansen curves per cell. `deals`: per cell how many deals its rows are of, in which
    unit the `wider` curves are mixed in.
    """
    bins = len(FOLLOWED) - 1
    place = np.clip(np.searchsorted(FOLLOWED, days, "right") - 1, 0, bins)
    size = cells * (bins + 1)

    def counted(which: np.ndarray, parts: Floats | None = None) -> Floats:
        flat = np.bincount(cell[which] * (bins + 1) + place[which], parts, minlength=size)
        return flat.reshape(cells, bins + 1).astype(float)

    still = ~(won | lost)
    wins, losses, open_still = counted(won), counted(lost), counted(still)
    ends = wins + losses + open_still
    at_risk = ends[:, ::-1].cumsum(1)[:, ::-1]
    # where the watching stops within a step, the deal was at risk for that part of it
    reached = place[still]
    width = np.append(np.diff(FOLLOWED), 1.0)[reached]
    watched = np.minimum((days[still] - FOLLOWED[reached]) / width, 1.0)
    exposed = (at_risk - open_still + counted(still, watched))[:, :bins]
    rows = np.maximum(at_risk[:, :1], 1e-12)
    scale = (deals[:, None] / rows) if wider is not None else np.ones((cells, 1))
    won_in, lost_in, exposed = wins[:, :bins] * scale, losses[:, :bins] * scale, exposed * scale
    if wider is not None and wider_cell is not None:
        before = 1 - wider.won[wider_cell, :-1] - wider.lost[wider_cell, :-1]
        won_in = won_in + prior * np.diff(wider.won[wider_cell], axis=1)
        lost_in = lost_in + prior * np.diff(wider.lost[wider_cell], axis=1)
        exposed = exposed + prior * np.maximum(before, 0)
    exposed = np.maximum(exposed, 1e-12)
    hazard_won, hazard_lost = won_in / exposed, lost_in / exposed
    left = np.maximum(1 - hazard_won - hazard_lost, 0)
    alive = np.concatenate([np.ones((cells, 1)), np.cumprod(left, 1)], 1)[:, :-1]
    start = np.zeros((cells, 1))
    return Curves(
        np.concatenate([start, np.cumsum(alive * hazard_won, 1)], 1),
        np.concatenate([start, np.cumsum(alive * hazard_lost, 1)], 1),
    )
