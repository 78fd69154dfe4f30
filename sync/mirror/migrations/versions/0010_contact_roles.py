"""Roles that contacts have on a deal."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deal",
        sa.Column(
            "contact_roles",
            sa.String(),
            nullable=True,
            comment="Roles of its contacts on this deal, a line each; none = not known.",
        ),
    )
