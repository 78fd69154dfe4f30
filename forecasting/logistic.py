"""Ridge logistic regression with an offset, by Newton's method.

What it needs of a design are three products; the design of classes makes them by counting, without
holding a matrix of ones and zeros, and at the same speed however many others use the machine: the
threads of a matrix library wait for each other where cores are shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from forecasting.tracks import Bools, Floats, Ints

_STEPS: Final = 25
_CLOSE: Final = 1e-6


def logit(probability: Floats) -> Floats:
    """Log-odds, kept within what a float can hold: 1e-6 to 1 - 1e-6."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def expit(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -35, 35))))


def in_points(effects: Floats, base: float, chance: Floats) -> Floats:
    """Log-odds (rows x parts) as probability: each part times what log-odds are worth on the
    straight path from `base` to the row's `chance`, so that a row's parts sum to the difference.
    """
    total = effects.sum(axis=1)
    moved = chance - base
    even = np.abs(total) < 1e-12
    # where they cancel: what log-odds are worth at the chance itself
    slope = np.where(even, chance * (1 - chance), moved / np.where(even, 1.0, total))
    points = effects * slope[:, None]
    points[:, 0] += moved - points.sum(axis=1)  # what rounding left
    return np.asarray(points)


class Design(Protocol):
    """X, rows x `width` columns."""

    @property
    def width(self) -> int: ...

    def scores(self, beta: Floats) -> Floats:
        """X beta."""
        ...

    def sums(self, values: Floats) -> Floats:
        """X' values."""
        ...

    def products(self, weights: Floats) -> Floats:
        """X' diag(weights) X."""
        ...


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers as they are: a row per row."""

    matrix: Floats

    @property
    def width(self) -> int:
        return int(self.matrix.shape[1])

    def scores(self, beta: Floats) -> Floats:
        return np.asarray(self.matrix @ beta)

    def sums(self, values: Floats) -> Floats:
        return np.asarray(self.matrix.T @ values)

    def products(self, weights: Floats) -> Floats:
        return np.asarray((self.matrix.T * weights) @ self.matrix)


@dataclass(frozen=True)
class Members:
    """A column per class, 1 where the row is of it, less `centre`.

    `places`: per attribute the column of each row's class, -1 for none; no column is of two
    attributes.
    """

    places: Sequence[Ints]
    centre: Floats

    @property
    def width(self) -> int:
        return len(self.centre)

    def scores(self, beta: Floats) -> Floats:
        effect = np.append(beta, 0.0)  # -1, the last one, is of no class
        parts = [effect[place] for place in self.places]
        return np.asarray(sum(parts) - (self.centre * beta).sum())

    def sums(self, values: Floats) -> Floats:
        return np.asarray(self._counted(values) - self.centre * values.sum())

    def products(self, weights: Floats) -> Floats:
        size = self.width + 1
        upper = np.zeros(size * size)
        for pair in self._pairs:
            upper += np.bincount(pair, weights, minlength=size * size)
        inside = upper.reshape(size, size)[:-1, :-1]
        whole = inside + inside.T - np.diag(inside.diagonal())
        off = np.outer(self.centre, self._counted(weights))
        return np.asarray(whole - off - off.T + weights.sum() * np.outer(self.centre, self.centre))

    def _counted(self, values: Floats) -> Floats:
        total = np.zeros(self.width + 1)
        for place in self._padded:
            total += np.bincount(place, values, minlength=self.width + 1)
        return total[:-1]

    @cached_property
    def _padded(self) -> list[Ints]:
        return [np.where(place < 0, self.width, place) for place in self.places]

    @cached_property
    def _pairs(self) -> list[Ints]:
        """Per two attributes, and per one with itself, where each row stands in the product."""
        size, padded = self.width + 1, self._padded
        return [one * size + other for n, one in enumerate(padded) for other in padded[n:]]


@dataclass(frozen=True, slots=True)
class WithNumber:
    """The columns of `members`, and a last one of numbers, a value per row."""

    members: Members
    number: Floats

    @property
    def width(self) -> int:
        return self.members.width + 1

    def scores(self, beta: Floats) -> Floats:
        return np.asarray(self.members.scores(beta[:-1]) + self.number * beta[-1])

    def sums(self, values: Floats) -> Floats:
        return np.append(self.members.sums(values), self.number @ values)

    def products(self, weights: Floats) -> Floats:
        size = self.width
        found = np.empty((size, size))
        found[:-1, :-1] = self.members.products(weights)
        found[-1] = found[:, -1] = self.sums(weights * self.number)
        return found


def shares(places: Sequence[Ints], width: int) -> Floats:
    """Of each class the share of the rows that are of it."""
    counts = np.zeros(width)
    for place in places:
        counts += np.bincount(place[place >= 0], minlength=width)
    return np.asarray(counts / max(len(places[0]), 1))


def fit_logistic(
    design: Design, won: Bools, offset: Floats, weight: float, penalty: Floats
) -> Floats:
    """Coefficients that maximise weight x log-likelihood - penalty . beta^2 / 2.

    `offset`: log-odds known beforehand, taken as they are; `penalty`: per column of the design,
    1 / variance of a normal prior around 0.
    """
    beta = np.zeros(design.width)
    best = _objective(design, won, offset, weight, penalty, beta)
    for _ in range(_STEPS):
        chance = expit(offset + design.scores(beta))
        slope = weight * design.sums(won - chance) - penalty * beta
        spread = np.maximum(chance * (1 - chance), 1e-9) * weight
        curve = design.products(spread) + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (
            value := _objective(design, won, offset, weight, penalty, beta + size * step)
        ) < best:
            size /= 2
            if size < _CLOSE:
                return beta
        beta = beta + size * step
        if value - best < _CLOSE * (1 + abs(best)):
            return beta
        best = value
    return beta


def _objective(
    design: Design, won: Bools, offset: Floats, weight: float, penalty: Floats, beta: Floats
) -> float:
    score = offset + design.scores(beta)
    likelihood = np.where(won, -np.logaddexp(0, -score), -np.logaddexp(0, score)).sum()
    return float(weight * likelihood - 0.5 * (penalty * beta**2).sum())
