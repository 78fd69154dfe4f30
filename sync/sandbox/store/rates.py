"""Exchange rates of the account's additional currencies, with the dates from which they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `currency` in the company's own, from `effective` on."""

    id: int
    currency: str
    rate: Decimal
    effective: int
    created: int
    updated: int


class Rates:
    """`now`: currency -> rate, what amounts are converted with."""

    def __init__(self, home: str, rates: Mapping[str, Decimal], since: int) -> None:
        self.now = dict(rates)
        self.versions = [
            Rate(7_001 + position, currency, rate, since, since, since)
            for position, (currency, rate) in enumerate(
                (c, r) for c, r in rates.items() if c != home
            )
        ]

    def set(self, currency: str, rate: Decimal, effective: int, at: int) -> None:
        number = 7_001 + len(self.versions)
        self.versions.append(Rate(number, currency, rate, effective, at, at))
        self.now[currency] = rate

    def edit(self, currency: str, rate: Decimal, at: int) -> None:
        latest = self.current()[currency]
        self.versions[self.versions.index(latest)] = replace(latest, rate=rate, updated=at)
        self.now[currency] = rate

    def current(self) -> dict[str, Rate]:
        """By currency, the one that came into force last."""
        ordered = sorted(self.versions, key=lambda version: (version.effective, version.id))
        return {version.currency: version for version in ordered}
