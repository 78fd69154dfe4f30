"""Written properties read back over the CRM's own API, labelled as the CRM labels them."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests
from sqlalchemy import Engine

from sync.mirror.assessments import most_explained

TIMEOUT_S = 30


def salesperson_view(
    engine: Engine, connection: str, url: str, token: str, *, count: int
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Title and (label, value) lines of the `count` open deals with the most findings."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        definitions = _get(session, f"{url}/crm/v3/properties/deals")["results"]
        ours = {d["name"]: d for d in definitions if d["name"].startswith("dealpulse_")}
        for deal_id in most_explained(engine, connection, count):
            deal = _get(
                session,
                f"{url}/crm/v3/objects/deals/{deal_id}",
                properties=",".join(["dealname", "amount", "closedate", *ours]),
            )
            yield _card(deal["properties"], ours)


def _get(session: requests.Session, url: str, **query: str) -> dict[str, Any]:
    response = session.get(url, params=query, timeout=TIMEOUT_S)
    response.raise_for_status()
    content: dict[str, Any] = response.json()
    return content


def _card(
    values: Mapping[str, str | None], ours: Mapping[str, Mapping[str, Any]]
) -> tuple[str, list[tuple[str, str]]]:
    lines = [
        ("Amount", values.get("amount") or ""),
        ("Close date", (values.get("closedate") or "")[:10]),
    ]
    lines += [
        (definition["label"], _shown(values.get(name) or "", definition))
        for name, definition in ours.items()
    ]
    return values.get("dealname") or "", lines


def _shown(value: str, definition: Mapping[str, Any]) -> str:
    """A value as HubSpot's screens render it: choices by their labels, shares as percent."""
    if definition["type"] == "enumeration":
        labels = {option["value"]: option["label"] for option in definition["options"]}
        return ", ".join(labels.get(v, v) for v in value.split(";") if v)
    if value and definition.get("numberDisplayHint") in ("percentage", "probability"):
        return f"{float(value):.0%}"
    return value
