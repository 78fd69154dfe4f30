"""Written properties read back over the CRM's own API, labelled as the CRM labels them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests

TIMEOUT_S = 30


Card = tuple[str, list[tuple[str, str]]]
"""A deal's title, and (label, value) lines."""


def hubspot_cards(deal_ids: Iterable[str], url: str, token: str) -> Iterator[Card]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        definitions = _get(session, f"{url}/crm/v3/properties/deals")["results"]
        ours = {d["name"]: d for d in definitions if d["name"].startswith("dealpulse_")}
        for deal_id in deal_ids:
            deal = _get(
                session,
                f"{url}/crm/v3/objects/deals/{deal_id}",
                properties=",".join(["dealname", "amount", "closedate", *ours]),
            )
            yield _card(deal["properties"], ours)


def pipedrive_cards(deal_ids: Iterable[str], url: str, token: str) -> Iterator[Card]:
    with requests.Session() as session:
        session.headers["x-api-token"] = token
        listed = _get(session, f"{url}/api/v2/dealFields", limit="500")["data"]
        ours = [field for field in listed if field["field_name"].startswith("dealpulse")]
        for deal_id in deal_ids:
            deal = _get(session, f"{url}/api/v2/deals/{deal_id}")["data"]
            lines = [
                ("Value", f"{deal['value']} {deal['currency']}"),
                ("Expected close date", deal["expected_close_date"] or ""),
            ]
            lines += [
                (f["field_name"], _in_pipedrive(deal["custom_fields"].get(f["field_code"]), f))
                for f in ours
            ]
            yield deal["title"], lines


def _in_pipedrive(value: object, field: Mapping[str, Any]) -> str:
    """As Pipedrive's screens render it: choices by their labels, money with its currency."""
    labels = {option["id"]: option["label"] for option in field.get("options") or ()}
    if isinstance(value, list):
        return ", ".join(str(labels.get(each, each)) for each in value)
    if isinstance(value, dict):
        return "" if value["value"] is None else f"{value['value']} {value['currency']}"
    return "" if value is None else str(labels.get(value, value))


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
