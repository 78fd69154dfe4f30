"""What the process job measures."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "process_result",
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column(
            "subject",
            sa.String(),
            nullable=False,
            comment="basis | velocity | month | change | stage | cohort | detour | cycle "
            "| size ...",
        ),
        sa.Column("position", sa.Integer(), nullable=False, comment="Order within the subject."),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column(
            "figures",
            types.Json,
            nullable=False,
            comment="name -> value, as docs/process.md defines.",
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_process_result_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint(
            "job_run_id", "subject", "position", name=op.f("pk_process_result")
        ),
        comment="Velocity and process; of past days the last run is kept. Written by process.",
    )
    op.create_index(
        op.f("ix_process_result_connection_as_of"), "process_result", ["connection", "as_of"]
    )
