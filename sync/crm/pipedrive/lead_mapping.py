"""Pipedrive's leads, converted leads, activities and mails as `sync.crm.leads` has them. Pure.

Names, addresses and texts stand in what is read here, and nothing that comes out of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sync.crm.doubts import Doubts
from sync.crm.leads import Engagement, Lead, LeadChange, LeadField
from sync.crm.pipedrive import values
from sync.crm.pipedrive.activities import activity
from sync.crm.pipedrive.answers import Json

IN_THE_INBOX: Final = "lead"
LABELLED: Final = "label:"
ARCHIVED: Final = "archived"
CONVERTED: Final = "deal"
DELETED: Final = "deleted"

NO_CONTACT: Final = frozenset({"task", "deadline"})
"""Types of activities in which nobody talks to the lead."""

MEETINGS: Final = frozenset({"meeting", "lunch"})

_GREGORIAN: Final = datetime(1582, 10, 15, tzinfo=UTC)


def lead(
    record: Json, labels: Mapping[str, str], doubts: Doubts, *, begun: datetime
) -> tuple[Lead, list[LeadChange]] | None:
    """One of the inbox or its archive; of one that is older than `begun`, when leads were first
    read, the past is not known. None, and noted, for one without a readable date."""
    lead_id = str(record["id"])
    created = doubts.parse("add_time", values.instant, record.get("add_time"))
    if created is None:
        doubts.note("add_time", None)
        return None
    modified = doubts.parse("update_time", values.instant, record.get("update_time")) or created
    source = values.text(record.get("source_name"))
    found = Lead(
        lead_id=lead_id,
        stage=stage(record, labels),
        owner_id=values.identity(record.get("owner_id")),
        source=source,
        created_at=created,
        modified_at=max(created, modified),
        person_id=values.identity(record.get("person_id")),
        known_since=begun if created < begun else None,
    )
    return found, [
        LeadChange(lead_id, LeadField.STAGE, created, IN_THE_INBOX),
        LeadChange(lead_id, LeadField.SOURCE, created, source),
    ]


def stage(record: Json, labels: Mapping[str, str]) -> str:
    """`lead`, with `;label:NAME` for each label; or `archived`."""
    if record.get("is_archived"):
        return ARCHIVED
    given = [str(each) for each in record.get("label_ids") or ()]
    names = sorted(labels.get(each, each).replace(";", ",") for each in given)
    return ";".join([IN_THE_INBOX, *(LABELLED + name for name in names)])


def converted(
    record: Json, doubts: Doubts, *, begun: datetime, held: bool
) -> tuple[Lead, list[LeadChange]] | None:
    """The lead that a deal was made of, as the deal tells it; None for any other deal.

    begun: when leads were first read. held: its beginning is known, from when it was in the inbox;
    else its id may tell, where it is of the kind that has the instant in it.
    """
    lead_id = values.text(record.get("source_lead_id"))
    at = doubts.parse("add_time", values.instant, record.get("add_time"))
    if lead_id is None or at is None:
        return None
    born = born_at(lead_id)
    created = None if born is None or born.replace(microsecond=0) > at else min(born, at)
    stages = [] if held or created is None else [(created, IN_THE_INBOX)]
    stages.append((at, CONVERTED))
    status = DELETED if record.get("is_deleted") else str(record.get("status"))
    ended = doubts.parse("ended", values.instant, record.get(f"{status}_time"))
    if status in ("won", "lost") and ended is not None:
        stages.append((max(at, ended), status))
    modified = doubts.parse("update_time", values.instant, record.get("update_time")) or at
    known_since = at if created is None else begun if created < begun else None
    found = Lead(
        lead_id=lead_id,
        stage=CONVERTED if status == "open" else status,
        owner_id=values.identity(record.get("owner_id")),
        source=None,
        created_at=created or at,
        modified_at=max(at, modified),
        person_id=values.identity(record.get("person_id")),
        deal_id=str(record["id"]),
        known_since=known_since,
    )
    return found, _in_order(lead_id, stages)


def _in_order(lead_id: str, stages: Sequence[tuple[datetime, str]]) -> list[LeadChange]:
    """`stages` ascend; those of one instant are told apart."""
    instants = [at for at, _ in stages]
    return [
        LeadChange(lead_id, LeadField.STAGE, at, stage, instants[:number].count(at))
        for number, (at, stage) in enumerate(stages)
    ]


def born_at(lead_id: str) -> datetime | None:
    """What a version 1 UUID says of its making; None for any other id."""
    try:
        made = UUID(lead_id)
    except ValueError:
        return None
    if made.version != 1:
        return None
    return _GREGORIAN + timedelta(microseconds=made.time // 10)


def touches(found: Iterable[Json], zone: ZoneInfo) -> list[Engagement]:
    """Calls, mails and meetings that took place; of those with a deal only the deal's own lead,
    else only the lead's, else all of the person's are concerned."""
    told: list[Engagement] = []
    for record in found:
        known = activity(record, zone)
        kind = values.text(record.get("type"))
        if not known.done or known.at is None or known.ours or kind in NO_CONTACT:
            continue
        about = _about(record)
        if about is None:
            continue
        fields = [LeadField.CONTACTED_AT] + [LeadField.MET_AT] * (kind in MEETINGS)
        told += [Engagement(field, known.at, **about) for field in fields]
    return told


def _about(record: Mapping[str, Any]) -> dict[str, str] | None:
    for name in ("deal_id", "lead_id", "person_id"):
        about = values.identity(record.get(name))
        if about is not None:
            return {name: about}
    return None


def mails(found: Iterable[Json], doubts: Doubts) -> Sequence[Engagement]:
    """The last mail to each person, and the last one from them."""
    told: list[Engagement] = []
    for record in found:
        for field, name in (
            (LeadField.CONTACTED_AT, "last_outgoing_mail_time"),
            (LeadField.REPLIED_AT, "last_incoming_mail_time"),
        ):
            at = doubts.parse(name, values.instant, record.get(name))
            if at is not None:
                told.append(Engagement(field, at, person_id=str(record["id"])))
    return told
