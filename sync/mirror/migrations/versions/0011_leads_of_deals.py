"""Leads that are records beside persons and deals, and whose past is not known whole."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column(
        "person_id", sa.String(), comment="Whose lead it is, where that is a record of its own."
    ),
    sa.Column("deal_id", sa.String(), comment="What it became, where that is a record of its own."),
    sa.Column(
        "known_since", types.Instant(), comment="Its past is known from then on; null = whole."
    ),
)


def upgrade() -> None:
    for column in _COLUMNS:
        op.add_column("lead", column)
    for name in ("person_id", "deal_id"):
        op.create_index(op.f(f"ix_lead_connection_{name}"), "lead", ["connection", name])
