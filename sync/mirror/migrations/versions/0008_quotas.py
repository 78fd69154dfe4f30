"""Quotas that were imported."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False, comment="csv | crm"),
        sa.Column("kind", sa.String(), nullable=False, comment="total | owner | team | pipeline"),
        sa.Column(
            "segment", sa.String(), nullable=False, comment="As it was named; empty for total."
        ),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False, comment="The first day after it."),
        sa.Column("label", sa.String(), nullable=False, comment="The period as people name it."),
        sa.Column("amount", types.Exact(), nullable=False),
        sa.Column("currency", sa.String(), comment="Null = the home currency."),
        sa.Column("set_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection",
            "source",
            "kind",
            "segment",
            "period_start",
            "period_end",
            name=op.f("pk_quota"),
        ),
        comment="What should be won; one source's are replaced whole. Written by goals.",
    )
