"""The customer's own fields beside the mirror's columns, and the account's exchange rates."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column(
            "into", sa.String(), nullable=False, comment="The home currency it converts into."
        ),
        sa.Column("valid_from", types.Instant(), nullable=False),
        sa.Column("rate", types.Exact(), nullable=False, comment="What one unit is worth."),
        sa.Column("seen_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection", "currency", "into", "valid_from", name=op.f("pk_exchange_rate")
        ),
        comment="Every rate the account ever had, so that past figures stay. Written by pull.",
    )
    op.create_table(
        "property_definition",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="number | bool | date | datetime | choice ...",
        ),
        sa.Column(
            "missing_since",
            types.Instant(),
            nullable=True,
            comment="Gone in the CRM, or asked for no more; values stay.",
        ),
        sa.Column(
            "filled_at",
            types.Instant(),
            nullable=True,
            comment="Since when all deals have it; none = still being read.",
        ),
        sa.PrimaryKeyConstraint("connection", "name", name=op.f("pk_property_definition")),
        comment="The fields in deal.extra. Written by pull.",
    )
    op.add_column(
        "deal",
        sa.Column(
            "extra",
            types.Json,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the customer asked for besides, by property_definition.",
        ),
    )


def downgrade() -> None:
    raise NotImplementedError("an upgrade is not undone: restore a backup")
