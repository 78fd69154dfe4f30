"""HubSpot's account, pipelines and owners as the mirror's records. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.crm.base import Account, Owner, Pipeline, Stage
from sync.crm.hubspot import values
from sync.crm.hubspot.values import Doubts
from sync.errors import PermanentError

Json = Mapping[str, Any]


def account(record: Json) -> Account:
    """Raises PermanentError where HubSpot does not say what nothing can be computed without."""
    home = values.text(record.get("companyCurrency"))
    zone = values.text(record.get("timeZone"))
    if home is None or zone is None or not _is_zone(zone):
        raise PermanentError(
            "HubSpot does not state this account's company currency and a known time zone: set "
            "both in HubSpot under Settings > Account management > Account defaults."
        )
    others = [str(code).upper() for code in record.get("additionalCurrencies") or ()]
    portal_id = str(record["portalId"])
    domain = values.text(record.get("uiDomain")) or "app.hubspot.com"
    return Account(
        account_id=portal_id,
        time_zone=zone,
        home_currency=home.upper(),
        currencies=tuple(dict.fromkeys([home.upper(), *others])),
        deal_url=f"https://{domain}/contacts/{portal_id}/record/0-3/{{deal_id}}",
        lead_url=f"https://{domain}/contacts/{portal_id}/record/0-1/{{lead_id}}",
    )


def pipeline(record: Json) -> Pipeline:
    stages = [_stage(entry) for entry in record.get("stages") or ()]
    return Pipeline(
        pipeline_id=str(record["id"]),
        label=values.text(record.get("label")) or str(record["id"]),
        position=int(record.get("displayOrder") or 0),
        stages=tuple(sorted(stages, key=lambda stage: stage.position)),
        archived=bool(record.get("archived")),
    )


def owner(record: Json) -> Owner:
    """A person or a queue; `active` by the record's own word, not by the list it came in."""
    owner_id = str(record["id"])
    names = (values.text(record.get("firstName")), values.text(record.get("lastName")))
    email = values.text(record.get("email"))
    teams = sorted(record.get("teams") or (), key=lambda team: not team.get("primary"))
    return Owner(
        owner_id=owner_id,
        name=" ".join(name for name in names if name) or email or owner_id,
        email=email,
        active=not record.get("archived"),
        teams=tuple(str(team["name"]) for team in teams if team.get("name")),
    )


def _stage(record: Json) -> Stage:
    metadata: Json = record.get("metadata") or {}
    doubts = Doubts("")
    probability = doubts.parse("probability", values.probability, metadata.get("probability"))
    closed = doubts.parse("isClosed", values.truth, metadata.get("isClosed"))
    if closed is None:
        closed = probability in (Decimal(0), Decimal(1))
    return Stage(
        stage_id=str(record["id"]),
        label=values.text(record.get("label")) or str(record["id"]),
        position=int(record.get("displayOrder") or 0),
        probability=probability,
        is_closed=closed,
        is_won=closed and probability == 1,
        archived=bool(record.get("archived")),
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
