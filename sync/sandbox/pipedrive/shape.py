"""Deals in v2's form."""

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sync.sandbox.pipedrive.fields import FieldDefinition
from sync.sandbox.pipedrive.instants import rfc3339, to_datetime
from sync.sandbox.pipedrive.records import Deal

if TYPE_CHECKING:
    from sync.sandbox.pipedrive.crm import PipedriveCrm

INCLUDABLE = (
    "next_activity_id", "last_activity_id", "first_won_time", "products_count", "files_count",
    "notes_count", "followers_count", "email_messages_count", "activities_count",
    "done_activities_count", "undone_activities_count", "participants_count",
    "last_incoming_mail_time", "last_outgoing_mail_time", "smart_bcc_email", "source_lead_id",
)  # fmt: skip


class DealShape:
    """What each deal of an answer shows. codes: only these custom fields; None = every one.

    option_labels: options as {id, label}. include: of INCLUDABLE.
    """

    def __init__(
        self,
        crm: "PipedriveCrm",
        *,
        codes: Collection[str] | None = None,
        include: Sequence[str] = (),
        option_labels: bool = False,
        labels: bool = False,
    ) -> None:
        self._crm = crm
        self._zone = ZoneInfo(crm.company.time_zone)
        self._fields = [f for f in crm.fields.custom() if codes is None or f.code in codes]
        self._include = include
        self._option_labels = option_labels
        self._labels = labels

    def show(self, deal: Deal) -> dict[str, Any]:
        deleted = deal.is_deleted and self._crm.behaviour.deleted_status == "deleted"
        shown: dict[str, Any] = {
            "id": deal.id,
            "title": deal.title,
            "creator_user_id": deal.creator_user_id,
            "owner_id": deal.owner_id,
            "value": self._value(deal.value),
            "currency": deal.currency,
            "person_id": deal.person_id,
            "org_id": deal.org_id,
            "pipeline_id": deal.pipeline_id,
            "stage_id": deal.stage_id,
            "status": "deleted" if deleted else deal.status,
            "probability": deal.probability,
            "lost_reason": deal.lost_reason,
            "visible_to": deal.visible_to,
            "label_ids": list(deal.label_ids),
            "add_time": rfc3339(deal.add_time),
            "update_time": rfc3339(deal.update_time),
            "stage_change_time": _instant(deal.stage_change_time),
            "close_time": _instant(deal.close_time),
            "won_time": _instant(deal.won_time),
            "lost_time": _instant(deal.lost_time),
            "local_won_date": self._day(deal.won_time),
            "local_lost_date": self._day(deal.lost_time),
            "local_close_date": self._day(deal.close_time),
            "expected_close_date": deal.expected_close_date,
            "is_deleted": deal.is_deleted,
            "is_archived": deal.is_archived,
            "archive_time": _instant(deal.archive_time),
            "origin": deal.origin,
            "origin_id": None,
            "channel": None,
            "channel_id": None,
            "acv": None,
            "arr": None,
            "mrr": None,
            "custom_fields": {f.code: self._custom(f, deal) for f in self._fields},
        }
        if self._labels:
            shown["labels"] = [{"id": number, "label": str(number)} for number in deal.label_ids]
        if self._include:
            extras = self._extras(deal)
            shown |= {name: extras[name] for name in self._include}
        return shown

    def _value(self, value: Decimal | None) -> int | float | None:
        if value is None:
            return 0 if self._crm.behaviour.empty_value == "zero" else None
        return number(value)

    def _custom(self, definition: FieldDefinition, deal: Deal) -> Any:
        value = deal.custom.get(definition.code)
        if not self._option_labels or value is None or definition.options is None:
            return value
        labels = {option.id: option.label for option in definition.options}
        if isinstance(value, list):
            return [{"id": one, "label": labels.get(one, "")} for one in value]
        return {"id": value, "label": labels.get(value, "")}

    def _day(self, at: int | None) -> str | None:
        if at is None:
            return None
        day: date = to_datetime(at).astimezone(self._zone).date()
        return day.isoformat()

    def _extras(self, deal: Deal) -> dict[str, Any]:
        activities = self._crm.activities_of(deal.id)
        done = [a for a in activities if a.done]
        planned = [a for a in activities if not a.done]
        first = min(planned, key=lambda a: (a.due_date or "9999", a.due_time, a.id), default=None)
        last = max(done, key=lambda a: (a.marked_as_done_time or 0, a.id), default=None)
        mails = [a.marked_as_done_time or 0 for a in done if a.type == "email"]
        return dict.fromkeys(INCLUDABLE) | {
            "next_activity_id": first.id if first else None,
            "last_activity_id": last.id if last else None,
            "first_won_time": _instant(deal.first_won_time),
            "products_count": 0,
            "files_count": 0,
            "notes_count": sum(n.deal_id == deal.id and n.active for n in self._crm.notes),
            "followers_count": 1,
            "email_messages_count": len(mails),
            "activities_count": len(activities),
            "done_activities_count": len(done),
            "undone_activities_count": len(planned),
            "participants_count": deal.participants,
            "last_outgoing_mail_time": _instant(max(mails, default=None)),
            "source_lead_id": deal.source_lead_id,
            "smart_bcc_email": f"{self._crm.domain}+deal{deal.id}@pipedrivemail.com",
        }


def number(value: Decimal) -> int | float:
    """As JSON shows it: without a fraction where there is none."""
    return int(value) if value == value.to_integral_value() else float(value)


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
