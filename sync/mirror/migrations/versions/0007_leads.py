"""Leads, their history, and what the funnel job measures."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _leads()
    _funnel()


def _leads() -> None:
    op.create_table(
        "lead",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), comment="The CRM's id of the lifecycle stage now."),
        sa.Column("owner_id", sa.String()),
        sa.Column("source", sa.String()),
        sa.Column("created_at", types.Instant(), nullable=False),
        sa.Column("modified_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "lead_id", name=op.f("pk_lead")),
        comment="Contacts on their way to become customers; erased here once gone there. Written "
        "by leads.",
    )
    op.create_table(
        "lead_change",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("changed_at", types.Instant(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("value", sa.String(), comment="Since then; null = empty."),
        sa.PrimaryKeyConstraint(
            "connection",
            "lead_id",
            "field",
            "changed_at",
            "ordinal",
            name=op.f("pk_lead_change"),
        ),
        comment="Lifecycle and engagement of leads over time. Written by leads.",
    )


def _funnel() -> None:
    op.create_table(
        "funnel_definition",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("definition", types.Json, nullable=False, comment="What the configuration said."),
        sa.Column("used_since", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_funnel_definition")),
        comment="Every definition of the funnel that figures were made by. Written by funnel.",
    )
    op.create_table(
        "funnel_result",
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column(
            "subject",
            sa.String(),
            nullable=False,
            comment="basis | stage_total | response | untouched ...",
        ),
        sa.Column("position", sa.Integer(), nullable=False, comment="Order within the subject."),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            comment="The definition that the figures keep.",
        ),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column(
            "figures",
            types.Json,
            nullable=False,
            comment="name -> value, as docs/funnel.md defines.",
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_funnel_result_job_run_id_job_run")
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["funnel_definition.version"],
            name=op.f("fk_funnel_result_version_funnel_definition"),
        ),
        sa.PrimaryKeyConstraint("job_run_id", "subject", "position", name=op.f("pk_funnel_result")),
        comment="The funnel; of past days the last run under each definition is kept. Written by "
        "funnel.",
    )
    op.create_index(
        op.f("ix_funnel_result_connection_as_of"), "funnel_result", ["connection", "as_of"]
    )
