"""Endpoint -> path. HubSpot's API version is one setting; everything else is the same.

Two families: `/crm/v3/objects/deals` and, since 2026-03, `/crm/objects/2026-03/deals`.
"""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Paths:
    """`version`: `v3`, or a date such as `2026-09`."""

    version: str

    @property
    def account(self) -> str:
        return f"/account-info/{self.version}/details"

    @property
    def oauth_token(self) -> str:
        return f"/oauth/{self.version}/token"

    @property
    def deals(self) -> str:
        return self._crm("objects", "deals")

    def deal(self, deal_id: str) -> str:
        return f"{self.deals}/{quote(deal_id, safe='')}"

    @property
    def deals_search(self) -> str:
        return f"{self.deals}/search"

    @property
    def deals_batch_read(self) -> str:
        return f"{self.deals}/batch/read"

    @property
    def contacts(self) -> str:
        return self._crm("objects", "contacts")

    @property
    def contacts_search(self) -> str:
        return f"{self.contacts}/search"

    @property
    def contacts_batch_read(self) -> str:
        return f"{self.contacts}/batch/read"

    @property
    def goal_targets(self) -> str:
        return self._crm("objects", "goal_targets")

    @property
    def pipelines(self) -> str:
        return self._crm("pipelines", "deals")

    @property
    def owners(self) -> str:
        return "/crm/v3/owners/" if self.version == "v3" else f"/crm/owners/{self.version}"

    @property
    def property_list(self) -> str:
        return self.writing("deals").property_list

    @property
    def groups(self) -> str:
        return self.writing("deals").groups

    def writing(self, objects: str) -> "WritingPaths":
        """objects: deals, contacts."""
        return WritingPaths(self._crm("objects", objects), self._crm("properties", objects))

    @property
    def exchange_rates(self) -> str:
        """All of them; those of today alone are one step further down."""
        if self.version == "v3":
            return "/settings/v3/currencies/exchange-rates"
        return f"/settings/currencies/{self.version}/exchange-rates"

    def associations(self, to: str) -> str:
        """Batch read of a deal's associations; v3 cannot page them, hence v4 beside it."""
        if self.version == "v3":
            return f"/crm/v4/associations/deals/{to}/batch/read"
        return f"/crm/associations/{self.version}/deals/{to}/batch/read"

    def _crm(self, family: str, object_type: str) -> str:
        if self.version == "v3":
            return f"/crm/v3/{family}/{object_type}"
        return f"/crm/{family}/{self.version}/{object_type}"


@dataclass(frozen=True, slots=True)
class WritingPaths:
    """What one type of object is written by, and its properties defined."""

    objects: str
    property_list: str

    def record(self, record_id: str) -> str:
        return f"{self.objects}/{quote(record_id, safe='')}"

    @property
    def batch_update(self) -> str:
        return f"{self.objects}/batch/update"

    @property
    def batch_read(self) -> str:
        return f"{self.objects}/batch/read"

    def property_named(self, name: str) -> str:
        return f"{self.property_list}/{quote(name, safe='')}"

    @property
    def groups(self) -> str:
        return f"{self.property_list}/groups"

    def group(self, name: str) -> str:
        return f"{self.groups}/{quote(name, safe='')}"
