"""Pipedrive's account, pipelines, stages, users and rates as the mirror's records. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.crm.base import Account, Owner, Pipeline, Stage
from sync.crm.doubts import Doubts
from sync.crm.pipedrive import values
from sync.errors import PermanentError

Json = Mapping[str, Any]

_RATE_DIGITS: Final = Decimal("0.00000001")


def account(me: Json) -> Account:
    """Raises PermanentError where Pipedrive does not say what nothing can be computed without."""
    home = values.text(me.get("default_currency"))
    zone = values.text(me.get("timezone_name"))
    if home is None or zone is None or not _is_zone(zone):
        raise PermanentError(
            "Pipedrive does not state a default currency and a known time zone for the token's "
            "user: set both in Pipedrive under Personal preferences."
        )
    domain = values.text(me.get("company_domain"))
    return Account(
        account_id=str(me["company_id"]),
        time_zone=zone,
        home_currency=home.upper(),
        currencies=(home.upper(),),
        deal_url=f"https://{domain}.pipedrive.com/deal/{{deal_id}}" if domain else None,
    )


def pipelines(listed: Sequence[Json], stages: Sequence[Json]) -> list[Pipeline]:
    """Each pipeline with its stages in their order."""
    return [_pipeline(entry, [s for s in stages if _is_in(s, entry)]) for entry in listed]


def deal_probability_pipelines(listed: Sequence[Json]) -> frozenset[str]:
    """The pipelines in which people may give a deal a probability of its own."""
    return frozenset(
        str(entry["id"]) for entry in listed if entry.get("is_deal_probability_enabled")
    )


def owner(user: Json) -> Owner:
    owner_id = str(user["id"])
    email = values.text(user.get("email"))
    active = user.get("active_flag", not user.get("is_deleted"))
    return Owner(
        owner_id=owner_id,
        name=values.text(user.get("name")) or email or owner_id,
        email=email,
        active=bool(active) and not user.get("is_deleted"),
    )


def rates(summary: Json) -> dict[str, Decimal]:
    """Currency -> what one unit is worth in the user's default currency, as Pipedrive reckons now.

    A currency that Pipedrive does not convert (a custom one, or all of it worth nothing) is absent.
    """
    totals = summary.get("values_total")
    found: dict[str, Decimal] = {}
    for currency, total in totals.items() if isinstance(totals, dict) else ():
        doubts = Doubts("")
        value = doubts.parse("value", values.number, total.get("value"))
        converted = doubts.parse("value_converted", values.number, total.get("value_converted"))
        if value and converted:
            rate = (converted / value).quantize(_RATE_DIGITS)
            found[str(currency).upper()] = Decimal(values.plain(rate))
    return found


def _pipeline(entry: Json, stages: Sequence[Json]) -> Pipeline:
    stated = [Doubts("").parse("", values.percent, s.get("deal_probability")) for s in stages]
    # new stages say 100 %: where all do, nobody ever set them
    configured = any(probability != 1 for probability in stated)
    found = [
        Stage(
            stage_id=str(stage["id"]),
            label=values.text(stage.get("name")) or str(stage["id"]),
            position=int(stage.get("order_nr") or 0),
            probability=probability if configured else None,
            is_closed=False,
            is_won=False,
            archived=bool(stage.get("is_deleted")),
        )
        for stage, probability in zip(stages, stated, strict=True)
    ]
    return Pipeline(
        pipeline_id=str(entry["id"]),
        label=values.text(entry.get("name")) or str(entry["id"]),
        position=int(entry.get("order_nr") or 0),
        stages=tuple(sorted(found, key=lambda stage: stage.position)),
        archived=bool(entry.get("is_deleted")),
    )


def _is_in(stage: Json, pipeline: Json) -> bool:
    return str(stage.get("pipeline_id")) == str(pipeline.get("id"))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
