"""When each deal's past was read, and which deals still wait for it."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deal",
        sa.Column(
            "history_read_at",
            types.Instant(),
            nullable=True,
            comment="Since when the mirror has its past; none = it waits to be read.",
        ),
    )
    # until now every deal came with its past
    op.execute("UPDATE deal SET history_read_at = pulled_at")
    for name, where in (
        ("ix_deal_history_unread", "history_read_at IS NULL AND removed_at IS NULL"),
        ("ix_deal_archived", "removed_reason = 'archived'"),
    ):
        op.create_index(
            name,
            "deal",
            ["connection"],
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    raise NotImplementedError("an upgrade is not undone: restore a backup")
