"""Quotas also in deals, and of some pipelines only, as the CRMs' goals are."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_KEY = ("connection", "source", "kind", "segment", "period_start", "period_end")


def upgrade() -> None:
    """The key grows, so the table is made anew around its few rows."""
    earlier = sa.table(
        "quota",
        *(sa.column(name) for name in ("connection", "source", "kind", "segment", "label")),
        sa.column("period_start", sa.Date()),
        sa.column("period_end", sa.Date()),
        sa.column("amount", types.Exact()),
        sa.column("currency"),
        sa.column("set_at", types.Instant()),
    )
    rows = [dict(row) for row in op.get_bind().execute(sa.select(earlier)).mappings()]
    op.drop_table("quota")
    made = op.create_table(
        "quota",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False, comment="csv | crm"),
        sa.Column("kind", sa.String(), nullable=False, comment="total | owner | team | pipeline"),
        sa.Column(
            "segment", sa.String(), nullable=False, comment="As it was named; empty for total."
        ),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False, comment="The first day after it."),
        sa.Column("measure", sa.String(), nullable=False, comment="amount | count, of deals won"),
        sa.Column(
            "pipelines",
            sa.String(),
            nullable=False,
            comment="Ids of those that count, with commas; empty = all.",
        ),
        sa.Column("label", sa.String(), nullable=False, comment="The period as people name it."),
        sa.Column("amount", types.Exact(), nullable=False),
        sa.Column("currency", sa.String(), comment="Null = the home currency."),
        sa.Column("set_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, "measure", "pipelines", name=op.f("pk_quota")),
        comment="What should be won; one source's are replaced whole. Written by goals.",
    )
    op.bulk_insert(made, [{**row, "measure": "amount", "pipelines": ""} for row in rows])
