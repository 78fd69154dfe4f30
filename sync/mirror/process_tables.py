"""The table of what was measured of the sales process; part of `sync.mirror.schema`."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from sync.mirror.metadata import Id, metadata
from sync.mirror.types import Instant, Json

process_result = Table(
    "process_result",
    metadata,
    Column("job_run_id", Id, ForeignKey("job_run.id"), primary_key=True),
    Column(
        "subject",
        String,
        primary_key=True,
        comment="basis | velocity | month | change | stage | cohort | detour | cycle | size ...",
    ),
    Column("position", Integer, primary_key=True, comment="Order within the subject."),
    Column("connection", String, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("figures", Json, nullable=False, comment="name -> value, as docs/process.md defines."),
    Index(None, "connection", "as_of"),
    comment="Velocity and process; of past days the last run is kept. Written by process.",
)
