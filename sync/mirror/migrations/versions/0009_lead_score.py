"""The lead score, what it was learned from, and our own values on leads."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column(
        "lead",
        sa.Column(
            "own", types.Json, comment="Our properties as the CRM holds them; null = not read."
        ),
    )
    _model()
    _score()


def _model() -> None:
    op.create_table(
        "lead_model",
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column(
            "as_of",
            types.Instant(),
            nullable=False,
            comment="The cut-off: nothing later was learned.",
        ),
        sa.Column(
            "asked",
            types.Json,
            nullable=False,
            comment="Funnel, goal and horizon it was learned for.",
        ),
        sa.Column(
            "model",
            types.Json,
            nullable=False,
            comment="Method, sample, test and what was learned.",
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_lead_model_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint("job_run_id", name=op.f("pk_lead_model")),
        comment="What the lead score was learned to be, day by day. Written by lead_score.",
    )
    op.create_index(op.f("ix_lead_model_connection_as_of"), "lead_model", ["connection", "as_of"])


def _score() -> None:
    op.create_table(
        "lead_score",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("lead_id", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False, comment="learned | points"),
        sa.Column("score", sa.Integer(), nullable=False, comment="0-100"),
        sa.Column(
            "probability",
            sa.Float(),
            comment="Of reaching the goal in time; null = unknown.",
        ),
        sa.Column(
            "reasons",
            sa.String(),
            nullable=False,
            comment="One sentence, in the configured language.",
        ),
        sa.Column("parts", types.Json, nullable=False, comment="[{code, points}], adding up."),
        sa.PrimaryKeyConstraint("connection", "lead_id", name=op.f("pk_lead_score")),
        comment="Of every open lead its last score. Written by lead_score.",
    )
