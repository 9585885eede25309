"""Posterior reports with their draws, and the fits that are kept."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_posteriors",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("draws", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["analysis_runs.id"], ondelete="CASCADE",
            name=op.f("fk_run_posteriors_run_id_analysis_runs"),
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_posteriors")),
    )
    op.create_table(
        "posterior_fits",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("draws", sa.LargeBinary(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], ondelete="CASCADE",
            name=op.f("fk_posterior_fits_trial_id_trials"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_posterior_fits")),
    )
    op.create_index(op.f("ix_posterior_fits_trial_id"), "posterior_fits", ["trial_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_posterior_fits_trial_id"), table_name="posterior_fits")
    op.drop_table("posterior_fits")
    op.drop_table("run_posteriors")
