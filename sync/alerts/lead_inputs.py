"""What alerts on leads are planned and written from, read from the mirror."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Engine, Row, Select, func, select

from sync.alerts.lead_lines import AlertedLead
from sync.alerts.lead_rules import LeadState
from sync.alerts.rules import OpenAlert
from sync.alerts.store import standing
from sync.config.lead_alerts import LEAD_RULES
from sync.crm.leads import LeadField
from sync.mirror import funnel_results, schema
from sync.mirror.engine import reading

_alert, _delivery = schema.alert, schema.alert_delivery
_lead, _score, _change, _owner = (
    schema.lead,
    schema.lead_score,
    schema.lead_change,
    schema.owner,
)
_CONTACTS = (LeadField.CONTACTED_AT.value, LeadField.MET_AT.value)

_ITS_OWNER = (_owner.c.connection == _lead.c.connection) & (_owner.c.owner_id == _lead.c.owner_id)

OF_LEADS = _alert.c.rule.in_(sorted(LEAD_RULES))


@dataclass(frozen=True, slots=True)
class LeadInputs:
    """as_of: when leads were last read, None = never; open_alerts, leads: as `plan_leads` takes
    them. owners: names by lead id.
    """

    as_of: datetime | None
    leads: Sequence[LeadState]
    open_alerts: Sequence[OpenAlert]
    owners: dict[str, str]


def read_lead_inputs(engine: Engine, connection: str, *, stream: str) -> LeadInputs:
    """The leads that wait or are scored, as the funnel and the score last found them. stream: that
    leads are pulled in. As of its last page, not of now: while leads cannot be read, nobody is
    said to wait for longer than is known.
    """
    measured = funnel_results.latest(engine, connection)
    untouched = measured.of("untouched") if measured is not None else []
    due = {row["lead_id"]: datetime.fromisoformat(row["due_at"]) for row in untouched}
    cursor = schema.sync_cursor.c
    last_read = select(cursor.updated_at).where(
        cursor.connection == connection, cursor.stream == stream
    )
    are_open = select(_alert).where(standing(connection, OF_LEADS))
    with reading(engine) as database:
        as_of = database.execute(last_read).scalar_one_or_none()
        contacts: dict[str, str] = {
            row.lead_id: row.last for row in database.execute(_last_contacts(connection))
        }
        rows = database.execute(_leads(connection)).all()
        open_alerts = [
            OpenAlert(row.id, row.deal_id, row.rule, row.raised_at)
            for row in database.execute(are_open)
        ]
    concerned = [row for row in rows if row.score is not None or row.lead_id in due]
    return LeadInputs(
        as_of,
        [_state(row, due.get(row.lead_id), contacts.get(row.lead_id)) for row in concerned],
        open_alerts,
        {row.lead_id: row.owner_name for row in concerned if row.owner_name is not None},
    )


def waiting_leads(connection: str, condition: ColumnElement[bool]) -> Select[Any]:
    """The standing alerts on leads whose delivery fulfils `condition`, with the leads' owners."""
    same_lead = (_lead.c.connection == _alert.c.connection) & (_lead.c.lead_id == _alert.c.deal_id)
    return (
        select(
            _alert.c.id,
            _alert.c.rule,
            _alert.c.evidence,
            _lead.c.lead_id,
            _lead.c.owner_id,
            _owner.c.name.label("owner_name"),
            _owner.c.email,
            _owner.c.active,
        )
        .join(_delivery, _delivery.c.alert_id == _alert.c.id)
        .join(_lead, same_lead)
        .outerjoin(_owner, _ITS_OWNER)
        .where(standing(connection, OF_LEADS), condition)
        .order_by(_lead.c.owner_id, _alert.c.id)
    )


def alerted_lead(row: Row[Any], lead_url: str | None) -> AlertedLead:
    url = lead_url.replace("{lead_id}", quote(row.lead_id, safe="")) if lead_url else None
    return AlertedLead(row.id, row.lead_id, row.rule, row.evidence, url)


def _leads(connection: str) -> Select[Any]:
    same_lead = (_score.c.connection == _lead.c.connection) & (_score.c.lead_id == _lead.c.lead_id)
    return (
        select(
            _lead.c.lead_id,
            _lead.c.created_at,
            _lead.c.known_since,
            _score.c.score,
            _owner.c.name.label("owner_name"),
        )
        .outerjoin(_score, same_lead)
        .outerjoin(_owner, _ITS_OWNER)
        .where(_lead.c.connection == connection)
    )


def _last_contacts(connection: str) -> Select[tuple[str, str]]:
    """Instants of one CRM are written alike, so the greatest text is the latest."""
    return (
        select(_change.c.lead_id, func.max(_change.c.value).label("last"))
        .where(
            _change.c.connection == connection,
            _change.c.field.in_(_CONTACTS),
            _change.c.value.is_not(None),
        )
        .group_by(_change.c.lead_id)
    )


def _state(row: Row[Any], due_at: datetime | None, contact: str | None) -> LeadState:
    """A lead whose past is not known whole may have been called before it is known."""
    touched = datetime.fromisoformat(contact) if contact else None
    begin = max(row.created_at, row.known_since or row.created_at)
    return LeadState(row.lead_id, due_at, row.score, touched or begin)
