"""Where a lead is shown in the CRM."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connection", sa.Column("lead_url", sa.String(), nullable=True))
