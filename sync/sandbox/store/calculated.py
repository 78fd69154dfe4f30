"""Calculated properties: worked out when they are asked for, never stored."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial

from sync.sandbox.store.catalogue import STAGE_PREFIXES
from sync.sandbox.store.definitions import Definitions
from sync.sandbox.store.instants import DAY_MS, iso, parse_ms
from sync.sandbox.store.links import Links
from sync.sandbox.store.pipelines import Pipelines, Stage
from sync.sandbox.store.records import Record

Getter = Callable[[Record], str | None]


@dataclass(slots=True)
class Calculated:
    """Reads any property of a deal, stored or calculated, as text; None = empty."""

    definitions: Definitions
    pipelines: Pipelines
    links: Links
    home_currency: str
    rates: Mapping[str, Decimal]
    forecast_amount: bool = False

    def getter(self, name: str) -> Getter | None:
        """None for a property that does not exist."""
        if self.definitions.get(name) is None:
            return None
        if name in _OF_THE_RECORD:
            return _OF_THE_RECORD[name]
        if name in _SPECIAL:
            return partial(_SPECIAL[name], self)
        for prefix, _, _ in STAGE_PREFIXES:
            if name.startswith(prefix):
                return partial(_STAGE_PROPERTIES[prefix], name.removeprefix(prefix))
        return partial(_stored, name)

    def getters(self, names: Iterable[str]) -> list[tuple[str, Getter]]:
        """For those of `names` that exist, each once."""
        known = ((name, self.getter(name)) for name in dict.fromkeys(names))
        return [(name, getter) for name, getter in known if getter is not None]

    def stage(self, deal: Record) -> Stage | None:
        return self.pipelines.stage(deal.values.get("pipeline"), deal.values.get("dealstage"))

    def outcome(self, deal: Record) -> str | None:
        stage = self.stage(deal)
        return stage.outcome if stage else None

    def rate(self, deal: Record) -> Decimal | None:
        """Of the deal's currency to the home currency; None where the account has none."""
        currency = deal.values.get("deal_currency_code", self.home_currency)
        return Decimal(1) if currency == self.home_currency else self.rates.get(currency)

    def home(self, deal: Record) -> Decimal | None:
        amount, rate = _decimal(deal.values.get("amount")), self.rate(deal)
        return None if amount is None or rate is None else amount * rate


def stays(deal: Record, stage_id: str) -> list[tuple[int, int | None]]:
    """When the deal entered and left that stage, oldest first; None = it is still there."""
    found: list[tuple[int, int | None]] = []
    for version in deal.history.get("dealstage", ()):
        if found and found[-1][1] is None and version.value != stage_id:
            found[-1] = (found[-1][0], version.at)
        elif version.value == stage_id:
            found.append((version.at, None))
    return found


def _stored(name: str, deal: Record) -> str | None:
    return deal.values.get(name)


def _decimal(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def plain(value: Decimal | None) -> str | None:
    """Without an exponent and without trailing zeros."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _probability(c: Calculated, deal: Record) -> Decimal | None:
    stage = c.stage(deal)
    return stage.probability if stage else None


def _product(a: Decimal | None, b: Decimal | None) -> str | None:
    return None if a is None or b is None else plain(a * b)


def _exchange_rate(c: Calculated, deal: Record) -> str | None:
    return plain(c.rate(deal)) if "deal_currency_code" in deal.values else None


def _days_to_close_ms(c: Calculated, deal: Record) -> int | None:
    closed = parse_ms(deal.values.get("closedate", ""))
    if closed is None or c.outcome(deal) is None:
        return None
    created = parse_ms(deal.values.get("createdate", ""))
    return max(closed - (deal.created if created is None else created), 0)


def _days_to_close(c: Calculated, deal: Record) -> str | None:
    ms = _days_to_close_ms(c, deal)
    return None if ms is None else str(ms // DAY_MS)


def _days_to_close_raw(c: Calculated, deal: Record) -> str | None:
    ms = _days_to_close_ms(c, deal)
    return None if ms is None else str(ms / DAY_MS)


def _entered_current(deal: Record) -> str | None:
    spent = stays(deal, deal.values.get("dealstage", ""))
    return iso(spent[-1][0]) if spent else None


def _since(name: str, deal: Record) -> str | None:
    versions = deal.history.get(name)
    return iso(versions[-1].at) if versions and versions[-1].value is not None else None


def _forecast_amount(c: Calculated, deal: Record) -> str | None:
    if not c.forecast_amount:
        return None
    amount = _decimal(deal.values.get("amount"))
    return _product(amount, _decimal(deal.values.get("hs_forecast_probability")))


def _entered(stage_id: str, deal: Record) -> str | None:
    spent = stays(deal, stage_id)
    return iso(spent[-1][0]) if spent else None


def _exited(stage_id: str, deal: Record) -> str | None:
    spent = stays(deal, stage_id)
    return iso(spent[-1][1]) if spent and spent[-1][1] is not None else None


def _latest_time(stage_id: str, deal: Record) -> str | None:
    ended = [end - start for start, end in stays(deal, stage_id) if end is not None]
    return str(ended[-1]) if ended else None


def _cumulative_time(stage_id: str, deal: Record) -> str | None:
    ended = [end - start for start, end in stays(deal, stage_id) if end is not None]
    return str(sum(ended)) if ended else None


_STAGE_PROPERTIES: dict[str, Callable[[str, Record], str | None]] = {
    "hs_v2_date_entered_": _entered,
    "hs_v2_date_exited_": _exited,
    "hs_v2_latest_time_in_": _latest_time,
    "hs_v2_cumulative_time_in_": _cumulative_time,
}

_OF_THE_RECORD: dict[str, Getter] = {
    "hs_object_id": lambda d: str(d.id),
    "hs_lastmodifieddate": lambda d: iso(d.modified),
    "hs_createdate": lambda d: iso(d.created),
    "createdate": lambda d: d.values.get("createdate") or iso(d.created),
    "hubspot_owner_assigneddate": partial(_since, "hubspot_owner_id"),
    "hs_next_step_updated_at": partial(_since, "hs_next_step"),
    "hs_v2_date_entered_current_stage": _entered_current,
    "hs_v2_time_in_current_stage": _entered_current,
}

_SPECIAL: dict[str, Callable[[Calculated, Record], str | None]] = {
    "hs_exchange_rate": _exchange_rate,
    "amount_in_home_currency": lambda c, d: plain(c.home(d)),
    "days_to_close": _days_to_close,
    "hs_days_to_close_raw": _days_to_close_raw,
    "hs_is_closed": lambda c, d: _flag(c.outcome(d) is not None),
    "hs_is_closed_won": lambda c, d: _flag(c.outcome(d) == "won"),
    "hs_is_closed_lost": lambda c, d: _flag(c.outcome(d) == "lost"),
    "hs_is_open_count": lambda c, d: "0" if c.outcome(d) else "1",
    "hs_deal_stage_probability": lambda c, d: plain(_probability(c, d)),
    "hs_projected_amount": lambda c, d: _product(
        _decimal(d.values.get("amount")), _probability(c, d)
    ),
    "hs_projected_amount_in_home_currency": lambda c, d: _product(c.home(d), _probability(c, d)),
    "hs_closed_amount": lambda c, d: (
        plain(_decimal(d.values.get("amount"))) if c.outcome(d) == "won" else "0"
    ),
    "hs_closed_amount_in_home_currency": lambda c, d: (
        plain(c.home(d)) if c.outcome(d) == "won" else "0"
    ),
    "hs_open_amount_in_home_currency": lambda c, d: "0" if c.outcome(d) else plain(c.home(d)),
    "hs_forecast_amount": _forecast_amount,
    "num_associated_contacts": lambda c, d: str(c.links.count("deals", d.id, "contacts")),
}
