"""What officers expected of a trial before its launch, and packs of other councils' trials."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("probability_better", sa.Double(), nullable=True),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("sd", sa.Double(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_forecasts_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecasts")),
        sa.UniqueConstraint("trial_id", "arm", "who", name=op.f("uq_forecasts_trial_id_arm_who")),
    )
    op.create_table(
        "trial_packs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("council", sa.String(length=200), nullable=False),
        sa.Column("trial", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=71), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial_packs")),
        sa.UniqueConstraint("council", "trial", name=op.f("uq_trial_packs_council_trial")),
    )


def downgrade() -> None:
    op.drop_table("trial_packs")
    op.drop_table("forecasts")
