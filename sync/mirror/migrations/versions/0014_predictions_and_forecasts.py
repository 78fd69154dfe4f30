"""Which runs' forecasts are kept, said on the tables themselves."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if not op.get_bind().dialect.supports_comments:  # SQLite keeps none
        return
    op.create_table_comment(
        "forecast",
        "Never changed once written; of past days the last run is kept, and those with "
        "predictions. Written by assess.",
    )
    op.create_table_comment(
        "prediction",
        "What was said of each open deal, once a week; with which parameters, say the "
        "forecasts of the same run, method and variant. Never changed. Written by assess.",
    )
