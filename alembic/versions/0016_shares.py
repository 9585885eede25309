"""The shares of trials whose allocation follows the outcomes, batch by batch."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("shares", Json(), nullable=False),
        sa.Column("known", Json(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name=op.f("fk_shares_trial_id_trials")),
        sa.PrimaryKeyConstraint("trial_id", "number", name=op.f("pk_shares")),
    )


def downgrade() -> None:
    op.drop_table("shares")
