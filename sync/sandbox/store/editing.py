"""Writes to the simulated CRM, with the rules that HubSpot itself applies to them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sync.sandbox.store.instants import iso, parse_ms, to_datetime, to_ms
from sync.sandbox.store.kinds import Kind
from sync.sandbox.store.loading import ENGAGEMENTS
from sync.sandbox.store.merging import merged
from sync.sandbox.store.records import Record, Source
from sync.sandbox.store.refusals import Conflict, Problem, Refused
from sync.sandbox.store.values import Invalid, accepted

if TYPE_CHECKING:
    from sync.sandbox.crm import Crm

CALCULATED = Source("CALCULATED")
_HASH = 2_654_435_761


class Editor:
    """Does not lock: its caller does."""

    def __init__(self, crm: "Crm") -> None:
        self._crm = crm
        self._zone = ZoneInfo(crm.company.time_zone)

    def check(
        self, kind: Kind, record: Record | None, properties: Mapping[str, object]
    ) -> dict[str, str | None]:
        """The values as they would be kept. Raises Refused with every problem there is."""
        kept: dict[str, str | None] = {}
        problems = []
        for name, raw in properties.items():
            try:
                self._check_one(kind, record, name, raw, kept)
            except Invalid as invalid:
                problems.append(Problem(name, invalid.code, str(invalid)))
        if kind.name == "deals" and not problems:
            problems += self._stage_problems(record, kept)
        if problems:
            raise Refused(problems)
        return kept

    def create(self, kind: Kind, properties: Mapping[str, object], source: Source) -> Record:
        if kind.name == "deals":
            properties = self._with_defaults(properties, source)
        kept = self.check(kind, None, properties)
        now = self._crm.now()
        record = Record(kind.table.new_id(), now, now)
        if self._crm.behaviour.index_lag_s:
            record.unindexed = [(self._indexed_at(record, now), None)]
        for name, value in kept.items():
            record.put(name, value, now, source)
        origin = "hs_object_source_label" if kind.name == "deals" else "hs_object_source"
        record.values[origin] = source.type
        if kind.name == "deals":
            self._close_date(record, None, now)
        kind.table.add(record)
        return record

    def edit(
        self, kind: Kind, record: Record, properties: Mapping[str, object], source: Source
    ) -> None:
        kept = self.check(kind, record, properties)
        now = self._touch(record)
        before = self._outcome(record)
        for name, value in kept.items():
            record.put(name, value, now, source)
        if kind.name == "deals":
            self._close_date(record, before, now)

    def log_activity(self, deal: Record, at: int) -> None:
        now = self._touch(deal)
        for name in ("notes_last_updated", "notes_last_contacted"):
            latest = max(at, parse_ms(deal.values.get(name, "0")) or 0)
            deal.put(name, iso(latest), now, ENGAGEMENTS)
        for name in ("num_contacted_notes", "num_notes"):
            deal.put(name, str(int(deal.values.get(name, "0")) + 1), now, ENGAGEMENTS)

    def schedule(self, deal: Record, at: int) -> None:
        deal.put("notes_next_activity_date", iso(at), self._touch(deal), ENGAGEMENTS)

    def task_given(self, task: Record, deal: Record) -> None:
        now = self._touch(deal)
        deal.put("notes_last_updated", iso(now), now, ENGAGEMENTS)
        deal.put("num_notes", str(int(deal.values.get("num_notes", "0")) + 1), now, ENGAGEMENTS)
        due = parse_ms(task.values.get("hs_timestamp", ""))
        planned = parse_ms(deal.values.get("notes_next_activity_date", ""))
        if due is not None and due > now and (planned is None or not now < planned < due):
            deal.put("notes_next_activity_date", iso(due), now, ENGAGEMENTS)

    def merge(self, winner_id: str, loser_id: str) -> Record:
        table = self._crm.deals.table
        winner, loser = table.get(winner_id), table.get(loser_id)
        if winner.id == loser.id:
            raise Conflict("Cannot merge an object with itself.")
        now = self._crm.now()
        stays = not self._crm.behaviour.merge_makes_new_record
        survivor = merged(winner, loser, winner.id if stays else table.new_id(), now)
        table.retire(loser, survivor.id)
        if stays:
            table.drop(winner)
        else:
            table.retire(winner, survivor.id)
        table.add(survivor)
        self._crm.links.move("deals", (winner.id, loser.id), survivor.id)
        return survivor

    def _check_one(
        self, kind: Kind, record: Record | None, name: str, raw: object, kept: dict[str, str | None]
    ) -> None:
        definition = kind.definitions.get(name)
        if definition is None:
            raise Invalid("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
        if definition.read_only:
            if self._crm.behaviour.read_only_writes == "error":
                raise Invalid(
                    "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
                )
            return
        value = accepted(definition, raw, record.values.get(name) if record else None)
        if name == "hubspot_owner_id" and value is not None and value not in self._crm.owners:
            raise Invalid("INVALID_OWNER_ID", f"Owner {value} does not exist")
        kept[name] = value

    def _stage_problems(
        self, record: Record | None, kept: Mapping[str, str | None]
    ) -> list[Problem]:
        """A stage has to be one of the deal's pipeline."""
        if "dealstage" not in kept and "pipeline" not in kept:
            return []
        held = record.values if record else {}
        pipeline = kept.get("pipeline", held.get("pipeline"))
        stage = kept.get("dealstage", held.get("dealstage"))
        if stage is None or self._crm.pipelines.stage(pipeline, stage) is not None:
            return []
        return [
            Problem(
                "dealstage", "INVALID_OPTION", f"{stage} is not a stage of pipeline {pipeline}."
            )
        ]

    def _with_defaults(
        self, properties: Mapping[str, object], source: Source
    ) -> Mapping[str, object]:
        """What the form fills in for a person: pipeline, stage, and the month's end."""
        if source.type != "CRM_UI":
            return properties
        pipeline = self._crm.pipelines.first()
        if properties.get("pipeline"):
            if properties["pipeline"] not in self._crm.pipelines:
                return properties
            pipeline = self._crm.pipelines.get(str(properties["pipeline"]))
        elif properties.get("dealstage"):
            pipeline = self._crm.pipelines.holding(str(properties["dealstage"])) or pipeline
        filled: dict[str, object] = {"pipeline": pipeline.id, "dealstage": pipeline.stages[0].id}
        filled |= {name: value for name, value in properties.items() if value is not None}
        stage = self._crm.pipelines.stage(pipeline.id, str(filled["dealstage"]))
        if stage is not None and not stage.is_closed and not properties.get("closedate"):
            filled["closedate"] = iso(self._month_end())
        return filled

    def _month_end(self) -> int:
        """The month's last day in the account's time zone, at the present time of day."""
        local = to_datetime(self._crm.now()).astimezone(self._zone)
        next_month = local.replace(day=28) + timedelta(days=4)
        return to_ms(next_month - timedelta(days=next_month.day))

    def _close_date(self, deal: Record, before: str | None, now: int) -> None:
        """Entering won or lost sets the close date to now, whoever moved the deal."""
        after = self._outcome(deal)
        if after is not None and after != before:
            deal.put("closedate", iso(now), now, CALCULATED)

    def _outcome(self, record: Record) -> str | None:
        values = record.values
        stage = self._crm.pipelines.stage(values.get("pipeline"), values.get("dealstage"))
        return stage.outcome if stage else None

    def _touch(self, record: Record) -> int:
        """Stamp a write; the search index goes on showing the state before it for a while."""
        now = self._crm.now()
        if self._crm.behaviour.index_lag_s:
            earlier = [entry for entry in record.unindexed or [] if entry[0] > now]
            before = record.copy()
            record.unindexed = [*earlier, (self._indexed_at(record, now), before)]
        record.modified = now
        return now

    def _indexed_at(self, record: Record, now: int) -> int:
        share = (record.id * _HASH + now) % 2**32 / 2**32
        return now + int(share * self._crm.behaviour.index_lag_s * 1000)
