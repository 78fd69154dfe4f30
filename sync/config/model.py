"""The one strict model of the configuration. `config.example.yaml` is generated from it.

Field descriptions are the documentation: they become the comments of the example file.
No secret stands here: fields that end in `_env` name the environment variable that holds one.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Database(Strict):
    url: str = Field(
        "sqlite:///dealpulse.db",
        description="Where the mirror lives: sqlite:///file.db, or postgresql://user@host/name. "
        "A password never stands here: set DEALPULSE_DATABASE_URL, which wins over this line.",
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


class HubSpotConnection(Strict):
    kind: Literal["hubspot"] = Field(description="Which CRM this is.")
    name: ConnectionName = Field(description="Your short name for this account; kept for ever.")
    token_env: EnvName = Field(
        "HUBSPOT_TOKEN",
        description="The environment variable that holds the access token "
        "(service key, private app or project app).",
    )
    api_version: Literal["2026-09", "2026-03", "v3"] = Field(
        "2026-09", description="The version of HubSpot's API that is called."
    )
    base_url: str = Field("https://api.hubapi.com", description="Only for a proxy, or the sandbox.")
    rate_limit_share: float = Field(
        0.75,
        gt=0,
        le=1,
        description="How much of the account's rate limit dealpulse may use; "
        "the rest stays with your other apps.",
    )
    request_timeout_s: float = Field(60, gt=0, description="Give up on one request after this.")
    deadline_s: float = Field(
        600, gt=0, description="Give up on one call, with all its retries, after this."
    )
    lookback_minutes: float = Field(
        10,
        ge=1,
        description="How far each pull reaches back behind the last one, because HubSpot's "
        "search sees changes late.",
    )
    write_back: WriteBack = Field(default_factory=WriteBack)


Connection = HubSpotConnection


class Forecast(Strict):
    periods: list[Literal["month", "quarter"]] = Field(
        ["month", "quarter"],
        min_length=1,
        description="Forecast the current and the next of each of these.",
    )
    prior_deals: float = Field(
        10,
        gt=0,
        description="How many deals' worth of the pipeline's own average are mixed into a "
        "probability learned from few deals. Higher = more cautious.",
    )


class Staleness(Strict):
    default_after_days: int = Field(
        14,
        ge=1,
        description="A deal is stale after so many days without human activity, in stages with "
        "too little history to learn their own norm.",
    )
    minimum_after_days: int = Field(
        5, ge=1, description="No stage's norm is ever shorter than this."
    )
    after_days: dict[str, int] = Field(
        default_factory=dict,
        description="Your own norm for a stage, by its label or id: {Proposal: 10}.",
    )


class Quality(Strict):
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="Other weights than the published ones, by rule: {no_contact: 0}. "
        "See docs/quality-rules.md.",
    )


class ConsoleChannel(Strict):
    kind: Literal["console"] = Field(description="Print alerts where the daemon prints.")


class WebhookChannel(Strict):
    kind: Literal["webhook"] = Field(
        description="Post to a Slack-compatible incoming webhook (Slack, Mattermost, Teams)."
    )
    url_env: EnvName = Field(
        "DEALPULSE_WEBHOOK_URL", description="The variable that holds the webhook's address."
    )


class EmailChannel(Strict):
    kind: Literal["email"] = Field(description="Send one digest by SMTP to each deal's owner.")
    host: str = Field(description="The mail server.")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field("starttls")
    username: str | None = Field(None, description="Log in under this name; none = do not.")
    password_env: EnvName = Field(
        "DEALPULSE_SMTP_PASSWORD", description="The variable that holds the password."
    )
    sender: str = Field(description="The From address.")
    fallback_to: str | None = Field(
        None, description="Who gets the alerts of deals whose owner is unknown or has left."
    )
    only_to: str | None = Field(
        None, description="Send everything here instead of to the owners; good for a trial."
    )


Channel = Annotated[ConsoleChannel | WebhookChannel | EmailChannel, Field(discriminator="kind")]


class Alerts(Strict):
    rules: list[Literal["stale", "overdue", "stuck"]] = Field(
        ["stale"], description="Which findings become alerts."
    )
    channels: list[Channel] = Field(
        [ConsoleChannel(kind="console")],
        description="Where alerts go; each alert goes to each channel once.",
    )
    minimum_amount: Decimal = Field(
        Decimal(0), ge=0, description="Leave deals below this amount (home currency) alone."
    )
    mass_alert_limit: int = Field(
        500,
        ge=1,
        description="Refuse to send more new alerts than this at once, unless told "
        "--allow-mass-alert.",
    )


class Schedule(Strict):
    cycle_minutes: int = Field(15, ge=1, description="Pull, assess and write back this often.")
    alerts_at: TimeOfDay = Field(
        "08:00", description="Send alerts at this time of the account's day."
    )
    alerts_on: str = Field(
        "mon-fri",
        pattern=r"^(mon|tue|wed|thu|fri|sat|sun)([-,](mon|tue|wed|thu|fri|sat|sun))*$",
        description="... on these days: mon-fri, or mon,wed.",
    )
    jitter_seconds: int = Field(
        30, ge=0, description="Start each cycle up to this much later, at random."
    )


class Web(Strict):
    enabled: bool = Field(True, description="Serve /health/live, /health/ready and /metrics.")
    host: str = Field("127.0.0.1")
    port: int = Field(8787, ge=0, le=65535)


class Log(Strict):
    format: Literal["text", "json"] = Field("text")
    level: Literal["debug", "info", "warning", "error"] = Field("info")


class Config(Strict):
    """Everything that dealpulse can be told."""

    language: Literal["en", "nb"] = Field(
        "en", description="Language of alerts, explanations and property labels."
    )
    time_zone: str | None = Field(
        None, description="Days are counted here; none = the CRM account's own zone."
    )
    database: Database = Field(default_factory=Database)
    connections: list[Connection] = Field(
        min_length=1, description="The CRM accounts to read, one entry each."
    )
    exchange_rates: dict[CurrencyCode, Decimal] = Field(
        default_factory=dict,
        description="What one unit is worth in the home currency, for deals whose CRM gives no "
        "converted amount: {EUR: 11.60}. A missing rate is reported, never taken as 1.",
    )
    forecast: Forecast = Field(default_factory=Forecast)
    staleness: Staleness = Field(default_factory=Staleness)
    quality: Quality = Field(default_factory=Quality)
    alerts: Alerts = Field(default_factory=Alerts)
    schedule: Schedule = Field(default_factory=Schedule)
    web: Web = Field(default_factory=Web)
    log: Log = Field(default_factory=Log)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Config":
        names = [connection.name for connection in self.connections]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"connections: the name {twice[0]!r} is used twice")
        return self
