"""OAuth tokens, and the deals that a CRM's webhooks named."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_token",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column(
            "sealed", sa.String(), nullable=False, comment="Encrypted; empty = not connected yet."
        ),
        sa.Column("saved_at", types.Instant(), nullable=False),
        sa.Column(
            "claimed_by", sa.String(), nullable=True, comment="The process that is renewing."
        ),
        sa.Column("claimed_until", types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_oauth_token")),
        comment="OAuth tokens, encrypted. Written by whichever process renews, one at a time.",
    )
    op.create_table(
        "webhook_hint",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column(
            "occurred_at",
            types.Instant(),
            nullable=False,
            comment="The latest event, as the CRM says.",
        ),
        sa.PrimaryKeyConstraint("connection", "deal_id", name=op.f("pk_webhook_hint")),
        comment="Deals to be read at the next pull. Written by the webhook endpoint, "
        "cleared by pull.",
    )
