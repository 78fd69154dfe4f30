"""The one strict model of the configuration. `config.example.yaml` is generated from it.

Field descriptions are the documentation: they become the comments of the example file.
No secret stands here: fields that end in `_env` name the environment variable that holds one.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from sync.config.bottleneck_alerts import ACCOUNT_RULES
from sync.config.bottleneck_alerts import BottleneckAlerts as BottleneckAlerts
from sync.config.connections import ApiConnection as ApiConnection
from sync.config.connections import Connection as Connection
from sync.config.connections import CrmConnection as CrmConnection
from sync.config.connections import FileConnection as FileConnection
from sync.config.connections import HubSpotConnection as HubSpotConnection
from sync.config.connections import PipedriveConnection as PipedriveConnection
from sync.config.connections import WriteBack as WriteBack
from sync.config.funnel import Funnel as Funnel
from sync.config.funnel import LeadScore as LeadScore
from sync.config.goals import Goals as Goals
from sync.config.lead_alerts import LEAD_RULES
from sync.config.lead_alerts import LeadAlerts as LeadAlerts
from sync.config.process import Process as Process
from sync.config.strict import Strict as Strict
from sync.config.values import (
    Country,
    CurrencyCode,
    DatabaseUrl,
    Days,
    Email,
    EnvName,
    Rate,
    TimeOfDay,
    TimeZone,
    Weekdays,
    Weight,
)


class Database(Strict):
    url: DatabaseUrl = Field(
        "sqlite:///dealpulse.db",
        description="Where the mirror lives: sqlite:///file.db, or postgresql://user@host/name. "
        "A password never stands here: set DEALPULSE_DATABASE_URL, which wins over this line.",
    )


class Forecast(Strict):
    periods: list[Literal["month", "quarter"]] = Field(
        ["month", "quarter"],
        min_length=1,
        description="Forecast the current and the next of each of these.",
    )
    prior_deals: float = Field(
        10,
        gt=0,
        description="How many deals' worth of the pipeline's own average opportunity_stage mixes "
        "into a probability learned from few deals. Higher = more cautious.",
    )
    show_rep_figures: bool = Field(
        False,
        description="Show what each salesperson's own estimates come to, and how right they were, "
        "with --by owner. They are private to the person and the managers unless you say so.",
    )


class Staleness(Strict):
    default_after_days: int = Field(
        10,
        ge=1,
        description="A deal is stale after so many working days without human activity, in stages "
        "with too little history to learn their own norm.",
    )
    minimum_after_days: int = Field(
        5, ge=1, description="No stage's norm is ever shorter than this, in working days."
    )
    after_days: dict[str, Days] = Field(
        default_factory=dict,
        description="Your own norm for a stage in working days, by its label or id.",
        examples=[{"Proposal": 10}],
    )
    country: Country | None = Field(
        None,
        description="Whose public holidays are no working days: NO, or a part like DE-BY; NONE = "
        "weekends only. None = told by the account's time zone where its currency agrees, else "
        "weekends only.",
        examples=["NO"],
    )
    archive_below: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="A dead deal is proposed for the archive where its chance of winning is surely "
        "below this: the upper end of the 95 % interval of the deals that stood as long.",
    )


class Archive(Strict):
    loss_reason: str = Field(
        "No activity (closed by dealpulse)",
        min_length=1,
        max_length=150,
        description="The loss reason that `dealpulse archive apply` gives a deal it closes.",
    )
    lost_stages: dict[str, str] = Field(
        default_factory=dict,
        description="The lost stage to move a pipeline's deals into, both by label or id, where a "
        "pipeline has several. HubSpot only.",
        examples=[{"default": "closedlost"}],
    )
    max_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Refuse to close more than this share of the open deals at once (at least 20 "
        "deals), unless told --allow-mass-change.",
    )


class Quality(Strict):
    weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="Other weights than the published ones, by rule; 0 leaves a rule out. "
        "See docs/quality-rules.md.",
        examples=[{"no_contact": 0}],
    )
    first_response_days: int = Field(
        2, ge=1, description="Working days within which somebody should have made contact."
    )
    unanswered_attempts: int = Field(
        3, ge=1, description="So many contacts without any reply or meeting are a finding."
    )
    decided_within_days: int = Field(
        90, ge=1, description="Deals won or lost longer ago than this are not held against a rule."
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
    host: str = Field(min_length=1, description="The mail server.", examples=["smtp.example.com"])
    port: int = Field(
        587, ge=1, le=65535, description="587 for starttls, 465 for tls, 25 for neither."
    )
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the connection is encrypted; none only for a server on this machine.",
    )
    username: str | None = Field(
        None,
        description="Log in under this name; none = do not.",
        examples=["dealpulse@example.com"],
    )
    password_env: EnvName = Field(
        "DEALPULSE_SMTP_PASSWORD", description="The variable that holds the password."
    )
    sender: Email = Field(
        description="The From address.", examples=["dealpulse <dealpulse@example.com>"]
    )
    fallback_to: Email | None = Field(
        None,
        description="Who gets the alerts of deals whose owner is unknown or has left, and those "
        "on bottlenecks.",
        examples=["sales-manager@example.com"],
    )
    only_to: Email | None = Field(
        None,
        description="Send everything here instead of to the owners; good for a trial.",
        examples=["revops@example.com"],
    )


class ActivityChannel(Strict):
    kind: Literal["activity"] = Field(
        description="Make a task on the deal for its owner, in the CRM itself; it is closed when "
        "put right. Pipedrive only: other connections pass it over."
    )


Channel = Annotated[
    ConsoleChannel | WebhookChannel | EmailChannel | ActivityChannel, Field(discriminator="kind")
]


class Alerts(Strict):
    rules: list[
        Literal["stale", "overdue", "stuck", "lead_unanswered", "lead_forgotten", "bottleneck"]
    ] = Field(
        ["stale"],
        description="Which findings become alerts; those on leads need `leads.enabled`. bottleneck "
        "tells of the account: by mail to fallback_to.",
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
    leads: LeadAlerts = Field(
        default_factory=LeadAlerts, description="When alerts.rules speak of leads."
    )
    bottlenecks: BottleneckAlerts = Field(
        default_factory=BottleneckAlerts, description="When bottlenecks are news."
    )

    @property
    def deal_rules(self) -> frozenset[str]:
        return frozenset(self.rules) - LEAD_RULES - ACCOUNT_RULES

    @property
    def account_rules(self) -> frozenset[str]:
        return frozenset(self.rules) & ACCOUNT_RULES

    @property
    def lead_rules(self) -> frozenset[str]:
        return frozenset(self.rules) & LEAD_RULES

    @field_validator("channels")
    @classmethod
    def _channels_differ(cls, channels: list[Channel]) -> list[Channel]:
        for i, channel in enumerate(channels):
            if channel in channels[:i]:
                raise ValueError(
                    f"the same {channel.kind} channel stands there twice; everybody would be told "
                    "twice"
                )
        return channels

    @model_validator(mode="after")
    def _mail_of_the_account_has_a_reader(self) -> Self:
        for channel in self.channels:
            if not isinstance(channel, EmailChannel) or not self.account_rules:
                continue
            if channel.fallback_to is None and channel.only_to is None:
                raise ValueError(
                    "rules has bottleneck, which concerns no owner: set fallback_to of the email "
                    "channel to who should be told"
                )
        return self


class Schedule(Strict):
    cycle_minutes: int = Field(15, ge=1, description="Pull, assess and write back this often.")
    alerts_at: TimeOfDay = Field(
        "08:00", description="Send alerts at this time of the account's day."
    )
    alerts_on: Weekdays = Field(
        "mon-fri", description="Send alerts on these days: mon-fri, or mon,wed."
    )
    backtest_at: TimeOfDay = Field(
        "02:30", description="Back-test the forecasts at this time of the account's night."
    )
    sweep_at: TimeOfDay = Field(
        "03:30",
        description="Compare the mirror with everything that the CRM lists, and put it right, at "
        "this time of the account's night.",
    )
    jitter_seconds: int = Field(
        30, ge=0, description="Start each cycle up to this much later, at random."
    )


class Sweep(Strict):
    max_missing_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Where the CRM lists more than this share of the mirror's deals no longer, and "
        "shows them neither in its bin nor as merged, nothing is removed and a person has to look.",
    )
    least_missing: int = Field(
        20, ge=1, description="Fewer missing deals than this are never held for too many."
    )


class Retention(Strict):
    job_runs_days: int = Field(
        400, ge=1, description="Forget the record of a job's run after so many days."
    )
    write_journal_days: int = Field(
        1100,
        ge=30,
        description="Forget what was written to a deal after so many days; the last entry of each "
        "deal stays.",
    )


class Web(Strict):
    enabled: bool = Field(True, description="Serve /health/live, /health/ready and /metrics.")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen on. Anyone who reaches it sees the figures: keep it to "
        "this machine, or put a proxy with a login in front.",
    )
    port: int = Field(
        8787, ge=0, le=65535, description="The port to listen on; 0 = any that is free."
    )


class Log(Strict):
    format: Literal["text", "json"] = Field(
        "text", description="text for people, json for a log collector; one line per event."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Leave out what matters less than this."
    )


class Config(Strict):
    """Everything that dealpulse can be told."""

    language: Literal["en", "nb"] = Field(
        "en", description="Language of alerts, explanations and property labels."
    )
    time_zone: TimeZone | None = Field(
        None,
        description="Days are counted here; none = the CRM account's own zone.",
        examples=["Europe/Oslo"],
    )
    database: Database = Field(default_factory=Database, description="The local mirror.")
    connections: list[Connection] = Field(
        min_length=1, description="The CRM accounts to read, one entry each."
    )
    reporting_currency: CurrencyCode | None = Field(
        None,
        description="Totals over all connections are in this currency; none = there is one only "
        "where all have the same home currency.",
        examples=["NOK"],
    )
    exchange_rates: dict[CurrencyCode, Rate] = Field(
        default_factory=dict,
        description="What one unit is worth in the reporting currency, or in the home currency "
        "where there is none; for deals whose CRM gives no converted amount, and for totals over "
        "all connections. A missing rate is reported, never taken as 1.",
        examples=[{"EUR": Decimal("11.60")}],
    )
    exchange_rates_win: bool = Field(
        False,
        description="Use exchange_rates also where the CRM has a rate of its own; false = the "
        "CRM's, of the day on which a deal was closed, or of today while it is open.",
    )
    forecast: Forecast = Field(
        default_factory=Forecast, description="What is forecast, and how cautiously."
    )
    staleness: Staleness = Field(
        default_factory=Staleness, description="When a deal counts as stale."
    )
    quality: Quality = Field(
        default_factory=Quality, description="How the quality score is made up."
    )
    archive: Archive = Field(
        default_factory=Archive, description="How dead deals are closed, when you say so."
    )
    process: Process = Field(
        default_factory=Process, description="How velocity and the sales process are measured."
    )
    funnel: Funnel = Field(
        default_factory=Funnel, description="How the funnel of leads is defined."
    )
    lead_score: LeadScore = Field(
        default_factory=LeadScore, description="What leads are scored for."
    )
    goals: Goals = Field(default_factory=Goals, description="What should be won, by whom and when.")
    alerts: Alerts = Field(default_factory=Alerts, description="Who is told of which deals.")
    schedule: Schedule = Field(default_factory=Schedule, description="When the daemon works.")
    sweep: Sweep = Field(
        default_factory=Sweep, description="When the nightly comparison refuses to remove deals."
    )
    retention: Retention = Field(
        default_factory=Retention, description="How long the mirror remembers what was done."
    )
    web: Web = Field(
        default_factory=Web, description="The daemon's page, health checks and metrics."
    )
    log: Log = Field(default_factory=Log, description="What is logged, and how.")

    @field_validator("connections")
    @classmethod
    def _names_are_unique(cls, connections: list[Connection]) -> list[Connection]:
        names = [connection.name for connection in connections]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is used twice; each account needs its own")
        return connections

    @model_validator(mode="after")
    def _goal_is_in_the_funnel(self) -> Self:
        self.lead_score.goal_in(self.funnel)
        return self
