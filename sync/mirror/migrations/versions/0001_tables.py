"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

from sync.mirror import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="raised | resolved"),
        sa.Column("raised_at", types.Instant(), nullable=False),
        sa.Column("resolved_at", types.Instant(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.Column("evidence", types.Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        comment="One episode of one finding of one deal. Written by alert.",
    )
    op.create_index(
        "uq_alert_one_open_episode",
        "alert",
        ["connection", "deal_id", "rule"],
        unique=True,
        sqlite_where=sa.text("state = 'raised'"),
        postgresql_where=sa.text("state = 'raised'"),
    )
    op.create_table(
        "connection",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("home_currency", sa.String(), nullable=False),
        sa.Column(
            "currencies", types.Json, nullable=False, comment="Codes the account uses beside it."
        ),
        sa.Column("deal_url", sa.String(), nullable=True),
        sa.Column("seen_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connection")),
        comment="One CRM account. Written by pull.",
    )
    op.create_table(
        "deal",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("pipeline_id", sa.String(), nullable=True),
        sa.Column("stage_id", sa.String(), nullable=True),
        sa.Column("owner_id", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("amount", types.Exact(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("amount_home", types.Exact(), nullable=True),
        sa.Column("close_date", types.Instant(), nullable=True),
        sa.Column("closed_at", types.Instant(), nullable=True),
        sa.Column("created_at", types.Instant(), nullable=False),
        sa.Column("modified_at", types.Instant(), nullable=False),
        sa.Column("stage_probability", types.Exact(), nullable=True),
        sa.Column("rep_probability", types.Exact(), nullable=True),
        sa.Column("rep_amount", types.Exact(), nullable=True),
        sa.Column("forecast_category", sa.String(), nullable=True),
        sa.Column("deal_type", sa.String(), nullable=True),
        sa.Column("lead_source", sa.String(), nullable=True),
        sa.Column("loss_reason", sa.String(), nullable=True),
        sa.Column("next_step", sa.String(), nullable=True),
        sa.Column("next_activity_at", types.Instant(), nullable=True),
        sa.Column("last_activity_at", types.Instant(), nullable=True),
        sa.Column("contact_count", sa.Integer(), nullable=True),
        sa.Column("company_count", sa.Integer(), nullable=True),
        sa.Column(
            "own",
            types.Json,
            nullable=False,
            comment="Our properties as the CRM held them when pulled.",
        ),
        sa.Column("first_seen_at", types.Instant(), nullable=False),
        sa.Column("pulled_at", types.Instant(), nullable=False),
        sa.Column(
            "removed_at",
            types.Instant(),
            nullable=True,
            comment="Tombstone: archived, merged or purged in the CRM.",
        ),
        sa.Column("removed_reason", sa.String(), nullable=True),
        sa.Column(
            "survivor_id",
            sa.String(),
            nullable=True,
            comment="For a merge: the deal that lives on.",
        ),
        sa.PrimaryKeyConstraint("connection", "deal_id", name=op.f("pk_deal")),
        comment="One sale. Written by pull.",
    )
    op.create_table(
        "deal_assessment",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("quality_score", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=True, comment="Which method the chances are of."),
        sa.Column("win_probability", sa.Float(), nullable=True),
        sa.Column(
            "win_probability_by_month",
            sa.Float(),
            nullable=True,
            comment="Won before this month is over.",
        ),
        sa.Column("win_probability_by_quarter", sa.Float(), nullable=True),
        sa.Column("call", sa.String(), nullable=True, comment="WIN | LOSE | SLIP"),
        sa.Column("predicted_close_on", sa.Date(), nullable=True),
        sa.Column("expected_amount", sa.Float(), nullable=True, comment="Home currency."),
        sa.Column(
            "stale_days", sa.Integer(), nullable=False, comment="Days without human activity."
        ),
        sa.Column("reasons", types.Json, nullable=False, comment="List of {code, text, points}."),
        sa.Column("explanation", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "deal_id", name=op.f("pk_deal_assessment")),
        comment="What is said of each open deal now; the input of write-back. Written by assess.",
    )
    op.create_table(
        "deal_change",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("changed_at", types.Instant(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("old", sa.String(), nullable=True),
        sa.Column("new", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection", "deal_id", "field", "changed_at", "ordinal", name=op.f("pk_deal_change")
        ),
        comment="The history; everything about the past is computed from it. Written by pull.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column(
            "since",
            types.Instant(),
            nullable=False,
            comment="First assessment that found it, unbroken.",
        ),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("evidence", types.Json, nullable=False),
        sa.PrimaryKeyConstraint("connection", "deal_id", "rule", name=op.f("pk_finding")),
        comment="What is wrong with a deal now. Written by assess.",
    )
    op.create_table(
        "job_run",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("started_at", types.Instant(), nullable=False),
        sa.Column("ended_at", types.Instant(), nullable=True),
        sa.Column(
            "status",
            sa.String(),
            nullable=False,
            comment="running | ok | failed | stopped | abandoned",
        ),
        sa.Column("counts", types.Json, nullable=False),
        sa.Column("error_kind", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
        comment="One run of one job for one connection. Written by the runner.",
    )
    op.create_index(
        op.f("ix_job_run_connection_job_started_at"),
        "job_run",
        ["connection", "job", "started_at"],
        unique=False,
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        comment="Who may run. Written by the worker.",
    )
    op.create_table(
        "owner",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("teams", types.Json, nullable=False),
        sa.Column("missing_since", types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("connection", "owner_id", name=op.f("pk_owner")),
        comment="Written by pull.",
    )
    op.create_table(
        "pipeline",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("pipeline_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "missing_since",
            types.Instant(),
            nullable=True,
            comment="When the CRM stopped listing it; its name stays.",
        ),
        sa.PrimaryKeyConstraint("connection", "pipeline_id", name=op.f("pk_pipeline")),
        comment="Written by pull.",
    )
    op.create_table(
        "stage",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("pipeline_id", sa.String(), nullable=False),
        sa.Column("stage_id", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("probability", types.Exact(), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("is_won", sa.Boolean(), nullable=False),
        sa.Column("missing_since", types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("connection", "pipeline_id", "stage_id", name=op.f("pk_stage")),
        comment="Written by pull.",
    )
    op.create_table(
        "stage_version",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("pipeline_id", sa.String(), nullable=False),
        sa.Column("stage_id", sa.String(), nullable=False),
        sa.Column("valid_from", types.Instant(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("probability", types.Exact(), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("is_won", sa.Boolean(), nullable=False),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "connection", "pipeline_id", "stage_id", "valid_from", name=op.f("pk_stage_version")
        ),
        comment="Every definition a stage ever had, so that past figures stay. Written by pull.",
    )
    op.create_table(
        "sync_cursor",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("state", types.Json, nullable=False),
        sa.Column("updated_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "stream", name=op.f("pk_sync_cursor")),
        comment="Where each stream resumes; committed with its rows. Written by pull.",
    )
    op.create_table(
        "unparsed_value",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("raw", sa.String(), nullable=False),
        sa.Column("seen_at", types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "deal_id", "field", name=op.f("pk_unparsed_value")),
        comment="Values that could not be understood. Written by pull.",
    )
    op.create_table(
        "alert_delivery",
        sa.Column("alert_id", ID, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.String(),
            nullable=False,
            comment="pending | sending | sent | failed | uncertain | withdrawn",
        ),
        sa.Column("claimed_by", sa.String(), nullable=True),
        sa.Column("claimed_at", types.Instant(), nullable=True),
        sa.Column("sent_at", types.Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name=op.f("fk_alert_delivery_alert_id_alert")
        ),
        sa.PrimaryKeyConstraint("alert_id", "channel", name=op.f("pk_alert_delivery")),
        comment="Each alert goes to each channel once. Written by alert.",
    )
    op.create_table(
        "forecast",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("period_kind", sa.String(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column(
            "segment_kind",
            sa.String(),
            nullable=False,
            comment="total | pipeline | team | owner | type",
        ),
        sa.Column(
            "segment", sa.String(), nullable=False, comment="Id of the segment; empty for total."
        ),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("forecast", sa.Float(), nullable=False, comment="won + weighted + new amount"),
        sa.Column("won_amount", sa.Float(), nullable=False),
        sa.Column("won_deals", sa.Integer(), nullable=False),
        sa.Column(
            "open_amount",
            sa.Float(),
            nullable=False,
            comment="Of open deals that should close in it.",
        ),
        sa.Column("open_deals", sa.Integer(), nullable=False),
        sa.Column("weighted_amount", sa.Float(), nullable=False, comment="From deals open then."),
        sa.Column(
            "new_amount",
            sa.Float(),
            nullable=True,
            comment="From deals not created yet; null: not counted.",
        ),
        sa.Column("p10", sa.Float(), nullable=True),
        sa.Column("p50", sa.Float(), nullable=True),
        sa.Column("p90", sa.Float(), nullable=True),
        sa.Column(
            "shock",
            sa.Float(),
            nullable=True,
            comment="Share by which all deals may be off together.",
        ),
        sa.Column(
            "sample",
            sa.Integer(),
            nullable=True,
            comment="Deals, or origins, that it was learned from.",
        ),
        sa.Column("note", sa.String(), nullable=True, comment="Why it is not what was asked for."),
        sa.Column("interval_note", sa.String(), nullable=True),
        sa.Column(
            "past_wape",
            sa.Float(),
            nullable=True,
            comment="Of its forecasts made as far ahead, of the total.",
        ),
        sa.Column(
            "past_origins", sa.Integer(), nullable=True, comment="How many of those there are."
        ),
        sa.Column(
            "floor",
            sa.Float(),
            nullable=True,
            comment="Error that chance alone leaves, as far ahead.",
        ),
        sa.Column(
            "chosen", sa.Boolean(), nullable=False, comment="The one that the last back-test chose."
        ),
        sa.Column(
            "left_out", types.Json, nullable=False, comment="reason -> deals that could not count"
        ),
        sa.Column("parameters", types.Json, nullable=False),
        sa.Column(
            "definition",
            sa.String(),
            nullable=True,
            comment="Of the back-test that it rests on; null: none yet.",
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_forecast_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
        sa.UniqueConstraint(
            "job_run_id",
            "method",
            "variant",
            "period_kind",
            "period_start",
            "segment_kind",
            "segment",
            name=op.f(
                "uq_forecast_job_run_id_method_variant_period_kind_period_start_segment_kind_segment"
            ),
        ),
        comment="Never changed once written; of past days the last run is kept. Written by assess.",
    )
    op.create_index(
        op.f("ix_forecast_connection_as_of"), "forecast", ["connection", "as_of"], unique=False
    )
    op.create_table(
        "prediction",
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("period_kind", sa.String(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("win_probability", sa.Float(), nullable=True, comment="Won at all."),
        sa.Column(
            "win_probability_by", sa.Float(), nullable=True, comment="Won before period_end."
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_prediction_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint(
            "job_run_id",
            "deal_id",
            "method",
            "variant",
            "period_kind",
            "period_start",
            name=op.f("pk_prediction"),
        ),
        comment="What was said of each open deal, once a week. Never changed. Written by assess.",
    )
    op.create_index(
        op.f("ix_prediction_connection_period_end"),
        "prediction",
        ["connection", "period_end"],
        unique=False,
    )
    op.create_table(
        "backtest_origin",
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column(
            "definition", sa.String(), nullable=False, comment="Hash of what was tested, and how."
        ),
        sa.Column(
            "origin", sa.Date(), nullable=False, comment="The account's day as of whose start."
        ),
        sa.Column("period_kind", sa.String(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("segment_kind", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("won_amount", sa.Float(), nullable=False, comment="Won already at the origin."),
        sa.Column("won_deals", sa.Integer(), nullable=False),
        sa.Column("expected_rest", sa.Float(), nullable=False),
        sa.Column("variance_rest", sa.Float(), nullable=False),
        sa.Column("forecast", sa.Float(), nullable=False),
        sa.Column("p10", sa.Float(), nullable=True),
        sa.Column("p50", sa.Float(), nullable=True),
        sa.Column("p90", sa.Float(), nullable=True),
        sa.Column("sample", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("actual", sa.Float(), nullable=False),
        sa.Column("actual_deals", sa.Integer(), nullable=False),
        sa.Column(
            "deals", types.Json, nullable=False, comment="Of a total: how the chances of deals did."
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_backtest_origin_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint(
            "connection",
            "definition",
            "origin",
            "period_kind",
            "period_start",
            "method",
            "variant",
            "segment_kind",
            "segment",
            name=op.f("pk_backtest_origin"),
        ),
        comment="Forecasts of past days, and what came. Never updated. Written by backtest.",
    )
    op.create_table(
        "backtest_score",
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("period_kind", sa.String(), nullable=False),
        sa.Column(
            "ahead", sa.Integer(), nullable=False, comment="0: the current period, 1: the next."
        ),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("definition", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("first_origin", sa.Date(), nullable=False),
        sa.Column("last_origin", sa.Date(), nullable=False),
        sa.Column("origins", sa.Integer(), nullable=False),
        sa.Column("wape", sa.Float(), nullable=True),
        sa.Column("bias", sa.Float(), nullable=True),
        sa.Column(
            "pinball",
            sa.Float(),
            nullable=True,
            comment="Mean of P10, P50 and P90, per mean actual.",
        ),
        sa.Column("coverage", sa.Float(), nullable=True, comment="Of the 80 % interval."),
        sa.Column("width", sa.Float(), nullable=True, comment="Of it, per mean actual."),
        sa.Column(
            "deals",
            sa.Integer(),
            nullable=True,
            comment="Chances of single deals that were scored.",
        ),
        sa.Column("auc", sa.Float(), nullable=True),
        sa.Column(
            "brier_skill", sa.Float(), nullable=True, comment="Against the share that happened."
        ),
        sa.Column("log_loss", sa.Float(), nullable=True),
        sa.Column(
            "ece", sa.Float(), nullable=True, comment="Expected calibration error, ten bins."
        ),
        sa.Column("floor", sa.Float(), nullable=True, comment="WAPE that chance alone leaves."),
        sa.Column(
            "verdict", types.Json, nullable=False, comment="Weight in the combination, and why."
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_backtest_score_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint(
            "job_run_id",
            "method",
            "variant",
            "period_kind",
            "ahead",
            name=op.f("pk_backtest_score"),
        ),
        comment="How each method did. Never changed once written. Written by backtest.",
    )
    op.create_index(
        op.f("ix_backtest_score_connection_job_run_id"),
        "backtest_score",
        ["connection", "job_run_id"],
        unique=False,
    )
    op.create_table(
        "velocity",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("as_of", types.Instant(), nullable=False),
        sa.Column("window_start", sa.Date(), nullable=False),
        sa.Column("window_end", sa.Date(), nullable=False),
        sa.Column("segment_kind", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("opportunities", sa.Integer(), nullable=False),
        sa.Column("average_value", sa.Float(), nullable=True),
        sa.Column("win_rate", sa.Float(), nullable=True),
        sa.Column("cycle_length_days", sa.Float(), nullable=True),
        sa.Column(
            "sales_velocity",
            sa.Float(),
            nullable=True,
            comment="Money per day; null where a driver is unknown.",
        ),
        sa.Column("won_deals", sa.Integer(), nullable=False),
        sa.Column("decided_deals", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_velocity_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_velocity")),
        sa.UniqueConstraint(
            "job_run_id",
            "segment_kind",
            "segment",
            name=op.f("uq_velocity_job_run_id_segment_kind_segment"),
        ),
        comment="Never changed once written. Written by assess.",
    )
    op.create_table(
        "write_journal",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job_run_id", ID, nullable=False),
        sa.Column("connection", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("before", types.Json, nullable=False, comment="property -> value the CRM held"),
        sa.Column("after", types.Json, nullable=False, comment="property -> value we wrote"),
        sa.Column(
            "state",
            sa.String(),
            nullable=False,
            comment="sending | written | confirmed | missing | merged | rejected | unknown",
        ),
        sa.Column("detail", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("planned_at", types.Instant(), nullable=False),
        sa.Column("settled_at", types.Instant(), nullable=True),
        sa.Column(
            "echo_modified_at",
            types.Instant(),
            nullable=True,
            comment="The deal's modified date after our write, where nothing else had changed.",
        ),
        sa.ForeignKeyConstraint(
            ["job_run_id"], ["job_run.id"], name=op.f("fk_write_journal_job_run_id_job_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_journal")),
        sa.UniqueConstraint(
            "connection", "trace_id", name=op.f("uq_write_journal_connection_trace_id")
        ),
        comment="What was there and what we wrote. Written by write_back.",
    )
    op.create_index(
        op.f("ix_write_journal_connection_deal_id_id"),
        "write_journal",
        ["connection", "deal_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_write_journal_connection_state"),
        "write_journal",
        ["connection", "state"],
        unique=False,
    )


def downgrade() -> None:
    raise NotImplementedError("an upgrade is not undone: restore a backup")
