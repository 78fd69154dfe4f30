"""Tables of leads and of the funnel; part of `sync.mirror.schema`. No name, no address."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

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
