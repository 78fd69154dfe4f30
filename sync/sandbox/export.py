"""The simulated CRM as a file, as a Norwegian CRM's "export to CSV" would give it."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from sync.sandbox.crm import Crm

_HEAD: Final = (
    "Id",
    "Tittel",
    "Salgsløp",
    "Fase",
    "Status",
    "Verdi",
    "Valuta",
    "Forventet lukkedato",
    "Opprettet",
    "Sist endret",
    "Eier",
    "Tapsårsak",
    "Kilde",
    "Siste aktivitet",
    "Neste aktivitet",
    "Neste steg",
)


def export_csv(crm: Crm) -> bytes:
    """Every live deal, with semicolons, decimal commas and local dates, in Windows-1252."""
    zone = ZoneInfo(crm.company.time_zone)
    labels = {p.id: (p.label, {s.id: s.label for s in p.stages}) for p in crm.company.pipelines}
    people = {
        crm.owner_id(owner.id): f"{owner.first_name} {owner.last_name}"
        for owner in crm.company.owners
    }
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(_HEAD)
    for deal_id in crm.deal_ids():
        writer.writerow(_row(deal_id, crm.deal(deal_id), labels, people, zone))
    return out.getvalue().encode("windows-1252", "replace")


def _row(
    deal_id: str,
    deal: Mapping[str, str | None],
    labels: Mapping[str, tuple[str, Mapping[str, str]]],
    people: Mapping[str, str],
    zone: ZoneInfo,
) -> list[str]:
    pipeline, stages = labels.get(deal["pipeline"] or "", ("", {}))
    won, closed = deal["hs_is_closed_won"] == "true", deal["hs_is_closed"] == "true"
    return [
        deal_id,
        deal["dealname"] or "",
        pipeline,
        stages.get(deal["dealstage"] or "", deal["dealstage"] or ""),
        "Vunnet" if won else "Tapt" if closed else "Åpen",
        _money(deal["amount"]),
        deal["deal_currency_code"] or "",
        _day(deal["closedate"], zone),
        _moment(deal["createdate"], zone),
        _moment(deal["hs_lastmodifieddate"], zone),
        people.get(deal["hubspot_owner_id"] or "", ""),
        deal["closed_lost_reason"] or "",
        deal["hs_analytics_source"] or "",
        _moment(deal["notes_last_updated"], zone),
        _moment(deal["notes_next_activity_date"], zone),
        deal["hs_next_step"] or "",
    ]


def _money(amount: str | None) -> str:
    """`1 250 000,50 kr`"""
    if not amount:
        return ""
    return f"{Decimal(amount):,.2f}".replace(",", " ").replace(".", ",") + " kr"


def _local(instant: str | None, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(instant).astimezone(zone) if instant else None


def _day(instant: str | None, zone: ZoneInfo) -> str:
    local = _local(instant, zone)
    return f"{local:%d.%m.%Y}" if local else ""


def _moment(instant: str | None, zone: ZoneInfo) -> str:
    local = _local(instant, zone)
    return f"{local:%d.%m.%Y %H:%M:%S}" if local else ""
