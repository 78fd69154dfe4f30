"""The tables. Each has exactly one writing job, named in its comment; others only read it."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from sync.mirror.access_tables import oauth_token as oauth_token
from sync.mirror.access_tables import webhook_hint as webhook_hint
from sync.mirror.forecast_tables import backtest_origin as backtest_origin
from sync.mirror.forecast_tables import backtest_score as backtest_score
from sync.mirror.forecast_tables import forecast as forecast
from sync.mirror.forecast_tables import prediction as prediction
from sync.mirror.forecast_tables import velocity as velocity
from sync.mirror.lead_tables import funnel_definition as funnel_definition
from sync.mirror.lead_tables import funnel_result as funnel_result
from sync.mirror.lead_tables import lead as lead
from sync.mirror.lead_tables import lead_change as lead_change
from sync.mirror.lead_tables import lead_model as lead_model
from sync.mirror.lead_tables import lead_score as lead_score
from sync.mirror.metadata import Id
from sync.mirror.metadata import metadata as metadata
from sync.mirror.process_tables import process_result as process_result
from sync.mirror.quality_tables import deal_staleness as deal_staleness
from sync.mirror.quality_tables import quality_score as quality_score
from sync.mirror.quality_tables import rule_result as rule_result
from sync.mirror.quota_tables import quota as quota
from sync.mirror.types import Exact, Instant, Json

connection = Table(
    "connection",
    metadata,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("time_zone", String, nullable=False),
    Column("home_currency", String, nullable=False),
    Column("currencies", Json, nullable=False, comment="Codes the account uses beside it."),
    Column("deal_url", String),
    Column("seen_at", Instant, nullable=False),
    Column("lead_url", String),
    comment="One CRM account. Written by pull.",
)

pipeline = Table(
    "pipeline",
    metadata,
    Column("connection", String, primary_key=True),
    Column("pipeline_id", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("missing_since", Instant, comment="When the CRM stopped listing it; its name stays."),
    comment="Written by pull.",
)

stage = Table(
    "stage",
    metadata,
    Column("connection", String, primary_key=True),
    Column("pipeline_id", String, primary_key=True),
    Column("stage_id", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("probability", Exact),
    Column("is_closed", Boolean, nullable=False),
    Column("is_won", Boolean, nullable=False),
    Column("missing_since", Instant),
    comment="Written by pull.",
)

stage_version = Table(
    "stage_version",
    metadata,
    Column("connection", String, primary_key=True),
    Column("pipeline_id", String, primary_key=True),
    Column("stage_id", String, primary_key=True),
    Column("valid_from", Instant, primary_key=True),
    Column("label", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("probability", Exact),
    Column("is_closed", Boolean, nullable=False),
    Column("is_won", Boolean, nullable=False),
    Column("missing", Boolean, nullable=False),
    comment="Every definition a stage ever had, so that past figures stay. Written by pull.",
)

owner = Table(
    "owner",
    metadata,
    Column("connection", String, primary_key=True),
    Column("owner_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("email", String),
    Column("active", Boolean, nullable=False),
    Column("teams", Json, nullable=False),
    Column("missing_since", Instant),
    comment="Written by pull.",
)

deal = Table(
    "deal",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("pipeline_id", String),
    Column("stage_id", String),
    Column("owner_id", String),
    Column("status", String, nullable=False),
    Column("amount", Exact),
    Column("currency", String),
    Column("amount_home", Exact),
    Column("close_date", Instant),
    Column("closed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("modified_at", Instant, nullable=False),
    Column("stage_probability", Exact),
    Column("rep_probability", Exact),
    Column("rep_amount", Exact),
    Column("forecast_category", String),
    Column("deal_type", String),
    Column("lead_source", String),
    Column("loss_reason", String),
    Column("next_step", String),
    Column("next_activity_at", Instant),
    Column("last_activity_at", Instant),
    Column("contact_count", Integer),
    Column("company_count", Integer),
    Column("own", Json, nullable=False, comment="Our properties as the CRM held them when pulled."),
    Column("first_seen_at", Instant, nullable=False),
    Column("pulled_at", Instant, nullable=False),
    Column("removed_at", Instant, comment="Tombstone: archived, merged or purged in the CRM."),
    Column("removed_reason", String),
    Column("survivor_id", String, comment="For a merge: the deal that lives on."),
    Column(
        "extra",
        Json,
        nullable=False,
        server_default=text("'{}'"),
        comment="What the customer asked for besides, by property_definition.",
    ),
    Column("last_contacted_at", Instant),
    Column("contact_attempts", Integer),
    Column("last_reply_at", Instant),
    Column(
        "history_read_at",
        Instant,
        comment="Since when the mirror has its past; none = it waits to be read.",
    ),
    Column(
        "contact_roles",
        String,
        comment="Roles of its contacts on this deal, a line each; none = not known.",
    ),
    Index(
        "ix_deal_history_unread",
        "connection",
        sqlite_where=text("history_read_at IS NULL AND removed_at IS NULL"),
        postgresql_where=text("history_read_at IS NULL AND removed_at IS NULL"),
    ),
    Index(
        "ix_deal_archived",
        "connection",
        sqlite_where=text("removed_reason = 'archived'"),
        postgresql_where=text("removed_reason = 'archived'"),
    ),
    comment="One sale. Written by pull.",
)

deal_change = Table(
    "deal_change",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("changed_at", Instant, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("old", String),
    Column("new", String),
    Column("source", String, nullable=False),
    comment="The history; everything about the past is computed from it. Written by pull.",
    sqlite_with_rowid=False,  # the widest table: its key is all the index it needs
)

unparsed_value = Table(
    "unparsed_value",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("raw", String, nullable=False),
    Column("seen_at", Instant, nullable=False),
    comment="Values that could not be understood. Written by pull.",
)

property_definition = Table(
    "property_definition",
    metadata,
    Column("connection", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("kind", String, nullable=False, comment="number | bool | date | datetime | choice ..."),
    Column("missing_since", Instant, comment="Gone in the CRM, or asked for no more; values stay."),
    Column("filled_at", Instant, comment="Since when all deals have it; none = still being read."),
    comment="The fields in deal.extra. Written by pull.",
)

exchange_rate = Table(
    "exchange_rate",
    metadata,
    Column("connection", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("into", String, primary_key=True, comment="The home currency it converts into."),
    Column("valid_from", Instant, primary_key=True),
    Column("rate", Exact, nullable=False, comment="What one unit is worth."),
    Column("seen_at", Instant, nullable=False),
    comment="Every rate the account ever had, so that past figures stay. Written by pull.",
)

sync_cursor = Table(
    "sync_cursor",
    metadata,
    Column("connection", String, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("state", Json, nullable=False),
    Column("updated_at", Instant, nullable=False),
    comment="Where each stream resumes; committed with its rows. Written by pull.",
)

job_run = Table(
    "job_run",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("job", String, nullable=False),
    Column("connection", String, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("status", String, nullable=False, comment="running | ok | failed | stopped | abandoned"),
    Column("counts", Json, nullable=False),
    Column("error_kind", String),
    Column("error", String),
    Index(None, "connection", "job", "started_at"),
    comment="One run of one job for one connection. Written by the runner.",
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires_at", Instant, nullable=False),
    comment="Who may run. Written by the worker.",
)

finding = Table(
    "finding",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("rule", String, primary_key=True),
    Column("since", Instant, nullable=False, comment="First assessment that found it, unbroken."),
    Column("as_of", Instant, nullable=False),
    Column("evidence", Json, nullable=False),
    comment="What is wrong with a deal now. Written by assess.",
)

deal_assessment = Table(
    "deal_assessment",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("quality_score", Integer, nullable=False),
    Column("method", String, comment="Which method the chances are of."),
    Column("win_probability", Float),
    Column("win_probability_by_month", Float, comment="Won before this month is over."),
    Column("win_probability_by_quarter", Float),
    Column("call", String, comment="WIN | LOSE | SLIP"),
    Column("predicted_close_on", Date),
    Column("expected_amount", Float, comment="Home currency."),
    Column("stale_days", Integer, nullable=False, comment="Days without human activity."),
    Column("reasons", Json, nullable=False, comment="List of {code, text, points}."),
    Column("explanation", String, nullable=False),
    comment="What is said of each open deal now; the input of write-back. Written by assess.",
)

write_journal = Table(
    "write_journal",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("job_run_id", Id, ForeignKey("job_run.id"), nullable=False),
    Column("connection", String, nullable=False),
    Column("deal_id", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("before", Json, nullable=False, comment="property -> value the CRM held"),
    Column("after", Json, nullable=False, comment="property -> value we wrote"),
    Column(
        "state",
        String,
        nullable=False,
        comment="sending | written | confirmed | missing | merged | rejected | unknown",
    ),
    Column("detail", String, nullable=False, server_default=text("''")),
    Column("planned_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column(
        "echo_modified_at",
        Instant,
        comment="The deal's modified date after our write, where nothing else had changed.",
    ),
    Column(
        "action",
        String,
        nullable=False,
        server_default=text("'write_back'"),
        comment="write_back | archive | unarchive",
    ),
    UniqueConstraint("connection", "trace_id"),
    Index(None, "connection", "deal_id", "id"),
    Index(None, "connection", "state"),
    comment="What was there and what we wrote. Written by write_back.",
)

# An alert on a lead has the lead's id as `deal_id`; its rule is one of `LEAD_RULES`. One on a
# bottleneck has its place; its rule is one of `ACCOUNT_RULES`.
alert = Table(
    "alert",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("connection", String, nullable=False),
    Column("deal_id", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("state", String, nullable=False, comment="raised | resolved"),
    Column("raised_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("resolution", String),
    Column("evidence", Json, nullable=False),
    Index(
        "uq_alert_one_open_episode",
        "connection",
        "deal_id",
        "rule",
        unique=True,
        sqlite_where=text("state = 'raised'"),
        postgresql_where=text("state = 'raised'"),
    ),
    comment="One episode of one finding of one deal. Written by alert.",
)

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("alert_id", Id, ForeignKey("alert.id"), primary_key=True),
    Column("channel", String, primary_key=True),
    Column(
        "state",
        String,
        nullable=False,
        comment="pending | sending | sent | failed | uncertain | withdrawn",
    ),
    Column("claimed_by", String),
    Column("claimed_at", Instant),
    Column("sent_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("last_error", String),
    comment="Each alert goes to each channel once. Written by alert.",
)
