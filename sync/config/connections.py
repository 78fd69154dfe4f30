"""The CRM accounts that a configuration can name; part of `sync.config.model`."""

from typing import Annotated, Literal

from pydantic import Field

from sync.config.access import (
    HubSpotOAuth,
    HubSpotWebhooks,
    OAuth,
    PipedriveOAuth,
    PipedriveWebhooks,
)
from sync.config.strict import Strict
from sync.config.values import (
    ConnectionName,
    CurrencyCode,
    EnvName,
    PropertyPattern,
    TimeZone,
    WebAddress,
)


class WriteBack(Strict):
    enabled: bool = Field(
        False,
        description="Write forecast properties to the CRM. Look at `dealpulse writeback plan` "
        "first; nothing is ever written while this is false.",
    )
    mass_change_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Refuse a plan that would change more than this share of the deals that "
        "already carry our values (at least 50 deals), unless told --allow-mass-change.",
    )


_NAME = "Your short name for this account; kept for ever."


class CrmConnection(Strict):
    """What every kind of connection has."""

    name: ConnectionName = Field(description=_NAME, examples=["main"])
    write_back: WriteBack = Field(
        default_factory=WriteBack, description="What goes back to the CRM."
    )


class Leads(Strict):
    enabled: bool = Field(
        False,
        description="Mirror contacts as leads (lifecycle, owner, source, engagement; no names, no "
        "addresses) for `dealpulse funnel` and `dealpulse leads`.",
    )


class HubSpotLeads(Leads):
    write_back: bool = Field(
        False,
        description="Write the lead score to the contact. Look at `dealpulse writeback plan` "
        "first; nothing is ever written while this is false.",
    )


class PipedriveLeads(Leads):
    enabled: bool = Field(
        False,
        description="Mirror the leads of the inbox (state, labels, owner, source, calls, meetings "
        "and mails; no names, no addresses) for `dealpulse funnel` and `dealpulse leads`.",
    )
    every_minutes: float = Field(
        60,
        ge=1,
        description="How often they are read. Each time costs about 100 of the company's daily "
        "tokens.",
    )


class ApiConnection(CrmConnection):
    """A CRM that is called over HTTP."""

    token_env: EnvName = Field(description="The environment variable that holds the token.")
    request_timeout_s: float = Field(60, gt=0, description="Give up on one request after this.")
    deadline_s: float = Field(
        600, gt=0, description="Give up on one call, with all its retries, after this."
    )
    rate_limit_share: float = Field(
        0.75,
        gt=0,
        le=1,
        description="How much of the account's rate limit dealpulse may use; "
        "the rest stays with your other apps.",
    )
    lookback_minutes: float = Field(
        10,
        ge=1,
        description="How far each pull reaches back behind the last one, because CRMs show "
        "changes late.",
    )
    oauth: OAuth
    webhooks: HubSpotWebhooks | PipedriveWebhooks
    leads: Leads

    @property
    def access(self) -> str:
        """Where its credentials come from, in a sentence for errors."""
        if self.oauth.client_id is None:
            return f"{self.name} takes its token from {self.token_env}."
        return f"{self.name} uses OAuth: `dealpulse connect {self.name}` grants access anew."


class HubSpotConnection(ApiConnection):
    kind: Literal["hubspot"] = Field(description="Which CRM this is.")
    token_env: EnvName = Field(
        "HUBSPOT_TOKEN",
        description="The environment variable that holds the access token "
        "(service key, private app or project app).",
    )
    api_version: Literal["2026-09", "2026-03", "v3"] = Field(
        "2026-09", description="The version of HubSpot's API that is called."
    )
    base_url: WebAddress = Field(
        "https://api.hubapi.com", description="Only for a proxy, or the sandbox."
    )
    oauth: HubSpotOAuth = Field(
        default_factory=HubSpotOAuth, description="An OAuth app instead of a token."
    )
    webhooks: HubSpotWebhooks = Field(
        default_factory=HubSpotWebhooks, description="Changes told by HubSpot at once; hints only."
    )
    leads: HubSpotLeads = Field(
        default_factory=HubSpotLeads, description="Contacts as leads; off by default."
    )
    extra_properties: list[PropertyPattern] = Field(
        default_factory=list,
        description="Deal properties to mirror besides those that dealpulse needs: internal names, "
        "prefixes like x_*, or * for all. See docs/extra-properties.md.",
        examples=[["region", "x_*"]],
    )


class PipedriveConnection(ApiConnection):
    kind: Literal["pipedrive"] = Field(description="Which CRM this is.")
    name: ConnectionName = Field(description=_NAME, examples=["pipedrive"])
    token_env: EnvName = Field(
        "PIPEDRIVE_TOKEN", description="The environment variable that holds the API token."
    )
    base_url: WebAddress = Field(
        "https://api.pipedrive.com",
        description="Your company's own address works too: https://COMPANY.pipedrive.com.",
    )
    oauth: PipedriveOAuth = Field(
        default_factory=PipedriveOAuth, description="An OAuth app instead of a token."
    )
    webhooks: PipedriveWebhooks = Field(
        default_factory=PipedriveWebhooks,
        description="Changes told by Pipedrive at once; hints only.",
    )
    daily_budget_share: float = Field(
        0.4,
        gt=0,
        le=1,
        description="How much of the company's daily token budget dealpulse may use, "
        "stage history included; it stops before that.",
    )
    daily_budget_tokens: int | None = Field(
        None,
        ge=1000,
        description="The company's daily budget, where Pipedrive does not tell it: "
        "30,000 x plan multiplier x seats. None = as told, else 30,000.",
        examples=[60_000],
    )
    leads: PipedriveLeads = Field(
        default_factory=PipedriveLeads, description="The leads inbox; off by default."
    )
    rescan_open_hours: float = Field(
        6,
        gt=0,
        description="Read all open deals again this often; their people, mails and "
        "activities change without the deal looking changed.",
    )


class FileConnection(CrmConnection):
    kind: Literal["file"] = Field(description="Which CRM this is.")
    name: ConnectionName = Field(description=_NAME, examples=["files"])
    folder: str = Field(
        description="Exports are put here, as CSV or XLSX; each is read once it stops growing.",
        examples=["import"],
    )
    mapping: str | None = Field(
        None,
        description="The mapping file (see docs/files.md); `dealpulse import FILE --dry-run` "
        "proposes one. None = guess from the headings.",
        examples=["dult.yaml"],
    )
    time_zone: TimeZone = Field("Europe/Oslo", description="The zone of the file's dates.")
    home_currency: CurrencyCode = Field("NOK", description="What reports are in.")
    contents: Literal["full", "delta"] = Field(
        "full",
        description="full: each file holds every deal, and one that is missing was deleted. "
        "delta: a file holds what changed.",
    )
    max_drop_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Refuse a full file that would drop more than this share of the deals.",
    )
    outbox: str = Field(
        "outbox", description="Where forecasts go, as CSV and XLSX, once write_back is on."
    )


Connection = Annotated[
    HubSpotConnection | PipedriveConnection | FileConnection, Field(discriminator="kind")
]
