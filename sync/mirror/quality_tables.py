"""The tables of staleness and of the quality score's trend; part of `sync.mirror.schema`."""

from sqlalchemy import Boolean, Column, Date, Float, Integer, String, Table

from sync.mirror.metadata import metadata
from sync.mirror.types import Instant

deal_staleness = Table(
    "deal_staleness",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("as_of", Instant, nullable=False),
    Column("state", String, nullable=False, comment="fresh | cooling | stale | dead"),
    Column("silent_days", Integer, nullable=False, comment="Working days without a person's act."),
    Column("norm_days", Integer, nullable=False, comment="Working days; longer is stale."),
    Column("dead_days", Integer, nullable=False, comment="Working days; longer is dead."),
    Column("last_activity_on", Date, nullable=False),
    Column("planned", Boolean, nullable=False, comment="A future activity protects it."),
    Column("days_in_stage", Integer),
    Column("compared_with", String, nullable=False, comment="stage | pipeline | life"),
    Column("earlier", Integer, nullable=False, comment="Decided deals that stood as long."),
    Column("earlier_won", Integer, nullable=False),
    Column("chance_at_most", Float, comment="Upper end of the 95 % interval of their win rate."),
    Column("archive", Boolean, nullable=False, comment="Candidate for the archive."),
    comment="How long each open deal has been silent, against its norm. Written by assess.",
)

quality_score = Table(
    "quality_score",
    metadata,
    Column("connection", String, primary_key=True),
    Column("day", Date, primary_key=True, comment="The account's."),
    Column("segment", String, primary_key=True, comment="total | pipeline | team | owner"),
    Column("name", String, primary_key=True, comment="Id or team; empty for the total and nobody."),
    Column("deals", Integer, nullable=False),
    Column("findings", Integer, nullable=False),
    Column("score", Float, nullable=False, comment="Mean over its open deals, 0-100."),
    comment="The score of each day, for its trend. Written by assess.",
)

rule_result = Table(
    "rule_result",
    metadata,
    Column("connection", String, primary_key=True),
    Column("day", Date, primary_key=True, comment="The account's."),
    Column("rule", String, primary_key=True),
    Column("looked_at", Integer, nullable=False, comment="0 = the rule does not apply here."),
    Column("found", Integer, nullable=False),
    comment="What each rule found each day. Written by assess.",
)
