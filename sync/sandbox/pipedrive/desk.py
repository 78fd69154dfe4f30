"""The simulated Pipedrive in the words of `sync.sandbox.salespeople`, which are HubSpot's."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sync.sandbox.pipedrive.crm import PipedriveCrm
from sync.sandbox.pipedrive.instants import rfc3339
from sync.sandbox.pipedrive.shape import number
from sync.sandbox.pipedrive.writing import plain


class PipedriveDesk:
    """What a salesperson sees and does. Won and lost are the company's closed stages here."""

    def __init__(self, crm: PipedriveCrm) -> None:
        self.company = crm.company
        self._crm = crm
        self._zone = ZoneInfo(crm.company.time_zone)
        self._closed = {
            stage.id: "won" if stage.is_won else "lost"
            for pipeline in crm.company.pipelines
            for stage in pipeline.stages
            if stage.is_closed
        }
        self._pipelines = {crm.pipeline_id(p.id): p for p in crm.company.pipelines}
        self._stages = {
            crm.stage_id(stage.id): stage.id
            for pipeline in crm.company.pipelines
            for stage in pipeline.stages
            if not stage.is_closed
        }

    def deal_ids(self) -> list[str]:
        return self._crm.deal_ids()

    def deal(self, deal_id: str) -> dict[str, str | None]:
        with self._crm.lock:
            deal = self._crm.deals.get(deal_id)
            done = [a.marked_as_done_time or 0 for a in self._crm.activities_of(deal.id) if a.done]
        closes = deal.expected_close_date
        return {
            "dealname": deal.title,
            "pipeline": self._pipelines[deal.pipeline_id].id,
            "dealstage": self._stage(deal.pipeline_id, deal.stage_id, deal.status),
            "amount": None if deal.value is None else plain(deal.value),
            "deal_currency_code": deal.currency,
            "closedate": None if closes is None else self._noon(date.fromisoformat(closes)),
            "hubspot_owner_id": str(deal.owner_id),
            "createdate": rfc3339(deal.add_time),
            "hs_lastmodifieddate": rfc3339(deal.update_time),
            "hs_is_closed": "false" if deal.status == "open" else "true",
            "notes_last_updated": rfc3339(max(done)) if done else None,
        }

    def edit(self, deal_id: str, properties: Mapping[str, object]) -> None:
        """Of dealstage, amount and closedate. Raises ValueError for others."""
        fields: dict[str, Any] = {}
        for name, value in properties.items():
            if name == "dealstage" and value in self._closed:
                fields["status"] = self._closed[str(value)]
            elif name == "dealstage":
                fields["stage_id"] = self._crm.stage_id(str(value))
            elif name == "amount":
                fields["value"] = number(Decimal(str(value)))
            elif name == "closedate":
                at = datetime.fromisoformat(str(value)).astimezone(self._zone)
                fields["expected_close_date"] = at.date().isoformat()
            else:
                raise ValueError(f"a salesperson does not set {name}")
        self._crm.edit(deal_id, fields)

    def merge(self, winner_id: str, loser_id: str) -> str:
        return self._crm.merge(winner_id, loser_id)

    def archive(self, deal_id: str) -> None:
        """What HubSpot calls so is deleting here."""
        self._crm.delete(deal_id)

    def log_activity(self, deal_id: str) -> None:
        self._crm.log_activity(deal_id)

    def _stage(self, pipeline_id: int, stage_id: int, status: str) -> str | None:
        if status == "open":
            return self._stages.get(stage_id)
        stages = self._pipelines[pipeline_id].stages
        return next((s.id for s in stages if s.is_closed and s.is_won == (status == "won")), None)

    def _noon(self, day: date) -> str:
        return datetime.combine(day, time(12), self._zone).isoformat()
