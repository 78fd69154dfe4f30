"""Tables of leads and of the funnel; part of `sync.mirror.schema`. No name, no address."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table

from sync.mirror.metadata import Id, metadata
from sync.mirror.types import Instant, Json

lead = Table(
    "lead",
    metadata,
    Column("connection", String, primary_key=True),
    Column("lead_id", String, primary_key=True),
    Column("stage", String, comment="The CRM's id of the lifecycle stage now."),
    Column("owner_id", String),
    Column("source", String),
    Column("created_at", Instant, nullable=False),
    Column("modified_at", Instant, nullable=False),
    Column("own", Json, comment="Our properties as the CRM holds them; null = not read."),
    Column("person_id", String, comment="Whose lead it is, where that is a record of its own."),
    Column("deal_id", String, comment="What it became, where that is a record of its own."),
    Column("known_since", Instant, comment="Its past is known from then on; null = whole."),
    Index(None, "connection", "person_id"),
    Index(None, "connection", "deal_id"),
    comment="Contacts on their way to become customers; erased here once gone there. Written by "
    "leads.",
)

lead_change = Table(
    "lead_change",
    metadata,
    Column("connection", String, primary_key=True),
    Column("lead_id", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("changed_at", Instant, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("value", String, comment="Since then; null = empty."),
    comment="Lifecycle and engagement of leads over time. Written by leads.",
)

funnel_definition = Table(
    "funnel_definition",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("definition", Json, nullable=False, comment="What the configuration said."),
    Column("used_since", Instant, nullable=False),
    comment="Every definition of the funnel that figures were made by. Written by funnel.",
)

funnel_result = Table(
    "funnel_result",
    metadata,
    Column("job_run_id", Id, ForeignKey("job_run.id"), primary_key=True),
    Column(
        "subject",
        String,
        primary_key=True,
        comment="basis | stage_total | response | untouched ...",
    ),
    Column("position", Integer, primary_key=True, comment="Order within the subject."),
    Column("connection", String, nullable=False),
    Column(
        "version",
        Integer,
        ForeignKey("funnel_definition.version"),
        nullable=False,
        comment="The definition that the figures keep.",
    ),
    Column("as_of", Instant, nullable=False),
    Column("figures", Json, nullable=False, comment="name -> value, as docs/funnel.md defines."),
    Index(None, "connection", "as_of"),
    comment="The funnel; of past days the last run under each definition is kept. Written by "
    "funnel.",
)

lead_model = Table(
    "lead_model",
    metadata,
    Column("job_run_id", Id, ForeignKey("job_run.id"), primary_key=True),
    Column("connection", String, nullable=False),
    Column("as_of", Instant, nullable=False, comment="The cut-off: nothing later was learned."),
    Column("asked", Json, nullable=False, comment="Funnel, goal and horizon it was learned for."),
    Column("model", Json, nullable=False, comment="Method, sample, test and what was learned."),
    Index(None, "connection", "as_of"),
    comment="What the lead score was learned to be, day by day. Written by lead_score.",
)

lead_score = Table(
    "lead_score",
    metadata,
    Column("connection", String, primary_key=True),
    Column("lead_id", String, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("basis", String, nullable=False, comment="learned | points"),
    Column("score", Integer, nullable=False, comment="0-100"),
    Column("probability", Float, comment="Of reaching the goal in time; null = unknown."),
    Column("reasons", String, nullable=False, comment="One sentence, in the configured language."),
    Column("parts", Json, nullable=False, comment="[{code, points}], adding up."),
    comment="Of every open lead its last score. Written by lead_score.",
)
