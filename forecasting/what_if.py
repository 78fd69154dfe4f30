"""What if the drivers of sales velocity were others: levers, bounds, sensitivity, back-solving."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

from forecasting.velocity import Drivers

Driver = Literal["opportunities", "average_value", "win_rate", "cycle_length_days"]

DRIVERS: Final[tuple[Driver, ...]] = (
    "opportunities", "average_value", "win_rate", "cycle_length_days",
)  # fmt: skip

EXAMPLE: Final = Drivers(100, 50_000, 0.20, 90)
"""The textbook's own: (100 x 50,000 x 20 %) / 90 days = 11,111 a day."""

_NAMES: Final[dict[str, Driver]] = {
    "opportunities": "opportunities",
    "value": "average_value",
    "average_value": "average_value",
    "win_rate": "win_rate",
    "cycle_days": "cycle_length_days",
    "cycle_length_days": "cycle_length_days",
}
_CHANGE: Final = re.compile(r"([+-]?)(\d+(?:\.\d+)?)(%|pp)?")

LEAST_MONTHS: Final = 6
LEAST_OWNERS: Final = 4
"""With fewer months or owners that have enough deals there is no best quartile of them."""


@dataclass(frozen=True, slots=True)
class Lever:
    """One driver changed: set to `amount`, multiplied by it, or with it added. Shares are 0-1."""

    driver: Driver
    how: Literal["set", "times", "add"]
    amount: float
    text: str

    def of(self, value: float) -> float:
        if self.how == "set":
            return self.amount
        return value * self.amount if self.how == "times" else value + self.amount


def parse_lever(text: str) -> Lever:
    """`win_rate=25%` sets, `value=+10%` is relative, `win_rate=+5pp` adds percentage points,
    `cycle_days=-15` adds days, `opportunities=120` sets. ValueError says what is wrong.
    """
    name, _, told = text.replace(" ", "").partition("=")
    driver = _NAMES.get(name.lower())
    if driver is None:
        raise ValueError(
            f"{text!r} names no driver: write one of opportunities, value, win_rate, cycle_days, "
            "then = and what it would be, as in win_rate=25% or value=+10%"
        )
    found = _CHANGE.fullmatch(told)
    if found is None:
        raise ValueError(
            f"{text!r}: {told!r} is neither a value (75, 25%) nor a change (+10%, -15, +5pp)"
        )
    sign, digits, unit = found.groups()
    amount = float(digits) * (-1 if sign == "-" else 1)
    rate = driver == "win_rate"
    if unit == "pp" and not (rate and sign):
        raise ValueError(f"{text!r}: pp adds percentage points to win_rate, as in win_rate=+5pp")
    if unit == "%" and sign:
        return Lever(driver, "times", 1 + amount / 100, text)
    if unit == "%" and not rate:
        raise ValueError(f"{text!r}: write {name}=+{digits}% for a relative change, or a value")
    if unit is None and rate:
        raise ValueError(f"{text!r}: a win rate is given in percent (25%), or changed by +5pp")
    scaled = amount / 100 if unit else amount
    return Lever(driver, "add" if sign else "set", scaled, text)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The drivers after some levers. `gain`: money per day more than before them."""

    label: str
    drivers: Drivers
    gain: float


def outcomes(drivers: Drivers, levers: Sequence[Lever]) -> list[Outcome]:
    """Today's figures, each lever by itself, and all at once.

    Several levers do more together than the sum of each. ValueError where a driver would be
    impossible, or is set twice.
    """
    named = [lever.driver for lever in levers]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is given twice: one lever for each driver")
    found = [Outcome("today", drivers, 0.0)]
    tried = [[lever] for lever in levers] + ([list(levers)] if len(levers) > 1 else [])
    for some in tried:
        changed = drivers
        for lever in some:
            value = lever.of(getattr(changed, lever.driver))
            changed = replace(changed, **{lever.driver: value})
        label = some[0].text if len(some) == 1 else "all together"
        found.append(Outcome(label, changed, changed.sales_velocity - drivers.sales_velocity))
    return found


@dataclass(frozen=True, slots=True)
class Bound:
    """How good a driver has been in the account's own history: its best quartile of months, or of
    owners. `sample`: how many of those there are.
    """

    driver: Driver
    of: Literal["months", "owners"]
    value: float
    sample: int

    def exceeded_by(self, drivers: Drivers) -> bool:
        value = float(getattr(drivers, self.driver))
        return value < self.value if self.driver == "cycle_length_days" else value > self.value


def bounds(months: pl.DataFrame, owners: pl.DataFrame) -> list[Bound]:
    """Best quartiles, from rows of `velocity_change.month_drivers` and of `velocity.drivers` by
    owner; rows with a note (too few deals) are not counted. Opportunities have none: the account's
    own history does not limit them.
    """
    sources: tuple[tuple[Literal["months", "owners"], pl.DataFrame, int], ...] = (
        ("months", months, LEAST_MONTHS),
        ("owners", owners, LEAST_OWNERS),
    )
    found = []
    for of, frame, least in sources:
        solid = frame.filter(pl.col("note").is_null())
        for driver, column in (
            ("average_value", "average_value"),
            ("win_rate", "win_rate"),
            ("cycle_length_days", "cycle_days"),
        ):
            share = 0.25 if driver == "cycle_length_days" else 0.75
            quartile = solid[column].quantile(share, "linear")
            if quartile is not None and solid.height >= least:
                found.append(Bound(driver, of, quartile, solid.height))  # type: ignore[arg-type]
    return found


def exceeded(outcome: Outcome, today: Drivers, known: Iterable[Bound]) -> list[Bound]:
    """Bounds that a changed driver goes beyond."""
    return [
        bound
        for bound in known
        if getattr(outcome.drivers, bound.driver) != getattr(today, bound.driver)
        and bound.exceeded_by(outcome.drivers)
    ]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """`gain`: money per day of one small step; None where the step is impossible."""

    step: str
    gain: float | None


def sensitivity(drivers: Drivers) -> list[Sensitivity]:
    """What one step of each driver is worth, the others as they are."""
    steps = (
        ("one more opportunity", "opportunities", 1.0),
        ("1 % on the average value", "average_value", drivers.average_value * 0.01),
        ("one percentage point of win rate", "win_rate", 0.01),
        ("one day off the cycle", "cycle_length_days", -1.0),
    )
    found = []
    for label, name, step in steps:
        value = getattr(drivers, name) + step
        possible = value > 0 if name == "cycle_length_days" else name != "win_rate" or value <= 1
        gain = (
            replace(drivers, **{name: value}).sales_velocity - drivers.sales_velocity
            if possible
            else None
        )
        found.append(Sensitivity(label, gain))
    return found


@dataclass(frozen=True, slots=True)
class Needed:
    """What a target takes, each driver alone and the others at today's rates; None: no value of it
    would do. `new_deals_per_week`: deals to create, at today's value and win rate.
    """

    per_day: float
    opportunities: float | None
    average_value: float | None
    win_rate: float | None
    cycle_length_days: float | None
    new_deals_per_week: float | None


def back_solve(drivers: Drivers, target: float, days: float) -> Needed:
    """What it takes to turn out `target` in `days` days. ValueError unless both are above 0."""
    if not (target > 0 and days > 0):
        raise ValueError(f"the target is {target:g} in {days:g} days: both have to be above 0")
    per_day = target / days
    per_deal = drivers.average_value * drivers.win_rate

    def alone(without: float, times: float) -> float | None:
        return times / without if without > 0 else None

    cycle = drivers.cycle_length_days
    rate = alone(drivers.opportunities * drivers.average_value, per_day * cycle)
    made = drivers.opportunities * per_deal
    return Needed(
        per_day=per_day,
        opportunities=alone(per_deal, per_day * cycle),
        average_value=alone(drivers.opportunities * drivers.win_rate, per_day * cycle),
        win_rate=rate if rate is not None and rate <= 1 else None,
        cycle_length_days=made / per_day if made > 0 else None,
        new_deals_per_week=alone(per_deal, per_day * 7),
    )


def drivers_of(row: dict[str, object]) -> Drivers | None:
    """The drivers of a row of `velocity.drivers`; None where one is not known."""
    values = [row[name] for name in ("opportunities", "average_value", "win_rate", "cycle_days")]
    if any(value is None for value in values) or not float(str(values[3])) > 0:
        return None
    return Drivers(*(float(str(value)) for value in values))
