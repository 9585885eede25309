"""What follows a trial: assumptions, benefits, roll-outs, next steps, decisions, papers."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assumptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("shape", sa.String(length=12), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("dated", sa.String(length=10), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("agreed_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assumptions")),
        sa.UniqueConstraint(
            "scope", "name", "number", name=op.f("uq_assumptions_scope_name_number")
        ),
    )
    op.create_table(
        "adoptions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=False),
        sa.Column("eligible", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=False),
        sa.Column("as_designed", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_adoptions_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adoptions")),
        sa.UniqueConstraint(
            "trial_id", "observed_on", name=op.f("uq_adoptions_trial_id_observed_on")
        ),
    )
    op.create_index(op.f("ix_adoptions_trial_id"), "adoptions", ["trial_id"], unique=False)
    op.create_table(
        "benefit_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("pounds", sa.Double(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("budget_line", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_benefit_events_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benefit_events")),
        sa.UniqueConstraint(
            "trial_id", "title", "stage", name=op.f("uq_benefit_events_trial_id_title_stage")
        ),
    )
    op.create_index(
        op.f("ix_benefit_events_trial_id"), "benefit_events", ["trial_id"], unique=False
    )
    op.create_table(
        "case_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_case_settings_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_settings")),
        sa.UniqueConstraint("trial_id", "number", name=op.f("uq_case_settings_trial_id_number")),
    )
    op.create_index(op.f("ix_case_settings_trial_id"), "case_settings", ["trial_id"], unique=False)
    op.create_table(
        "holdback_measures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("measured_on", sa.Date(), nullable=False),
        sa.Column("estimate", sa.Double(), nullable=False),
        sa.Column("standard_error", sa.Double(), nullable=False),
        sa.Column("claim", Json(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_holdback_measures_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holdback_measures")),
    )
    op.create_index(
        op.f("ix_holdback_measures_trial_id"), "holdback_measures", ["trial_id"], unique=False
    )
    op.create_table(
        "next_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("remind_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reminded", Json(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_next_steps_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_next_steps")),
    )
    op.create_index(op.f("ix_next_steps_due"), "next_steps", ["due"], unique=False)
    op.create_index(op.f("ix_next_steps_trial_id"), "next_steps", ["trial_id"], unique=False)
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("eligible", sa.Integer(), nullable=False),
        sa.Column("held_back", sa.Integer(), nullable=False),
        sa.Column("remeasure_on", sa.Date(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_rollouts_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
        sa.UniqueConstraint("trial_id", "number", name=op.f("uq_rollouts_trial_id_number")),
    )
    op.create_index(op.f("ix_rollouts_trial_id"), "rollouts", ["trial_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("recommended", sa.String(length=30), nullable=True),
        sa.Column("decided", sa.String(length=30), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("dissents", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_decisions_run_id_analysis_runs")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_decisions_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_trial_id"), "decisions", ["trial_id"], unique=False)
    op.create_table(
        "papers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("paper", sa.String(length=20), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_papers_run_id_analysis_runs")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_papers_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
        sa.UniqueConstraint("trial_id", "digest", name=op.f("uq_papers_trial_id_digest")),
    )
    op.create_index("ix_papers_trial_id_paper", "papers", ["trial_id", "paper"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_papers_trial_id_paper", table_name="papers")
    op.drop_table("papers")
    op.drop_index(op.f("ix_decisions_trial_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_index(op.f("ix_rollouts_trial_id"), table_name="rollouts")
    op.drop_table("rollouts")
    op.drop_index(op.f("ix_next_steps_trial_id"), table_name="next_steps")
    op.drop_index(op.f("ix_next_steps_due"), table_name="next_steps")
    op.drop_table("next_steps")
    op.drop_index(op.f("ix_holdback_measures_trial_id"), table_name="holdback_measures")
    op.drop_table("holdback_measures")
    op.drop_index(op.f("ix_case_settings_trial_id"), table_name="case_settings")
    op.drop_table("case_settings")
    op.drop_index(op.f("ix_benefit_events_trial_id"), table_name="benefit_events")
    op.drop_table("benefit_events")
    op.drop_index(op.f("ix_adoptions_trial_id"), table_name="adoptions")
    op.drop_table("adoptions")
    op.drop_table("assumptions")
