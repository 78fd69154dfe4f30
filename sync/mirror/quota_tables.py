"""The table of quotas that came from outside the configuration; part of `sync.mirror.schema`."""

from sqlalchemy import Column, Date, String, Table

from sync.mirror.metadata import metadata
from sync.mirror.types import Exact, Instant

quota = Table(
    "quota",
    metadata,
    Column("connection", String, primary_key=True),
    Column("source", String, primary_key=True, comment="csv | crm"),
    Column("kind", String, primary_key=True, comment="total | owner | team | pipeline"),
    Column("segment", String, primary_key=True, comment="As it was named; empty for total."),
    Column("period_start", Date, primary_key=True),
    Column("period_end", Date, primary_key=True, comment="The first day after it."),
    Column("measure", String, primary_key=True, comment="amount | count, of deals won"),
    Column(
        "pipelines",
        String,
        primary_key=True,
        comment="Ids of those that count, with commas; empty = all.",
    ),
    Column("label", String, nullable=False, comment="The period as people name it."),
    Column("amount", Exact, nullable=False),
    Column("currency", String, comment="Null = the home currency."),
    Column("set_at", Instant, nullable=False),
    comment="What should be won; one source's are replaced whole. Written by goals.",
)
