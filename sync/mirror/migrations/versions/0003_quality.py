"""What contacts answered, staleness, the quality score day by day, and what the journal is of."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deal", sa.Column("last_contacted_at", types.Instant(), nullable=True))
    op.add_column("deal", sa.Column("contact_attempts", sa.Integer(), nullable=True))
    op.add_column("deal", sa.Column("last_reply_at", types.Instant(), nullable=True))
    op.add_column(
        "write_journal",
        sa.Column(
            "action",
            sa.String(),
            nullable=False,
            server_default=sa.text("'write_back'"),
            comment="write_back | archive | unarchive",
        ),
    )
    _staleness()
    _scores()


def _staleness() -> None:
    op.create_table(
        "deal_staleness",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="fresh | cooling | stale | dead"),
        sa.Column(
            "silent_days",
            sa.Integer(),
            nullable=False,
            comment="Working days without a person's act.",
        ),
        sa.Column(
            "norm_days", sa.Integer(), nullable=False, comment="Working days; longer is stale."
        ),
        sa.Column(
            "dead_days", sa.Integer(), nullable=False, comment="Working days; longer is dead."
        ),
        sa.Column("last_activity_on", sa.Date(), nullable=False),
        sa.Column(
            "planned", sa.Boolean(), nullable=False, comment="A future activity protects it."
        ),
        sa.Column("days_in_stage", sa.Integer(), nullable=True),
        sa.Column("compared_with", sa.String(), nullable=False, comment="stage | pipeline | life"),
        sa.Column(
            "earlier", sa.Integer(), nullable=False, comment="Decided deals that stood as long."
        ),
        sa.Column("earlier_won", sa.Integer(), nullable=False),
        sa.Column(
            "chance_at_most",
            sa.Float(),
            nullable=True,
            comment="Upper end of the 95 % interval of their win rate.",
        ),
        sa.Column("archive", sa.Boolean(), nullable=False, comment="Candidate for the archive."),
        sa.PrimaryKeyConstraint("connection", "deal_id", name=op.f("pk_deal_staleness")),
        comment="How long each open deal has been silent, against its norm. Written by assess.",
    )


def _scores() -> None:
    op.create_table(
        "quality_score",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="The account's."),
        sa.Column(
            "segment", sa.String(), nullable=False, comment="total | pipeline | team | owner"
        ),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="Id or team; empty for the total and nobody.",
        ),
        sa.Column("deals", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False, comment="Mean over its open deals, 0-100."),
        sa.PrimaryKeyConstraint(
            "connection", "day", "segment", "name", name=op.f("pk_quality_score")
        ),
        comment="The score of each day, for its trend. Written by assess.",
    )
    op.create_table(
        "rule_result",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="The account's."),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column(
            "looked_at",
            sa.Integer(),
            nullable=False,
            comment="0 = the rule does not apply here.",
        ),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "day", "rule", name=op.f("pk_rule_result")),
        comment="What each rule found each day. Written by assess.",
    )


def downgrade() -> None:
    raise NotImplementedError("an upgrade is not undone: restore a backup")
