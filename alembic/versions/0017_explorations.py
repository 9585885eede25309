"""Questions asked outside the plan, each with its answer."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "explorations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(80), nullable=False),
        sa.Column("segment", sa.String(200), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_explorations_trial_id_trials")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], name=op.f("fk_explorations_run_id_analysis_runs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explorations")),
        sa.UniqueConstraint("run_id", "measure", "segment", name=op.f("uq_explorations_run_id_measure_segment")),
    )
    op.create_index(op.f("ix_explorations_trial_id"), "explorations", ["trial_id"])


def downgrade() -> None:
    op.drop_table("explorations")
