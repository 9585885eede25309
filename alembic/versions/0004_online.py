"""Rows received in batches, counters of online strata, lists of people left out, shared holdout."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import BigKey, Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "received",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_received_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("trial_id", "kind", "digest", name=op.f("pk_received")),
    )
    op.create_table(
        "places",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("stratum", sa.String(length=500), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_places_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("trial_id", "stratum", name=op.f("pk_places")),
    )
    op.create_table(
        "turned_away",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_turned_away_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("trial_id", "digest", "reason", name=op.f("pk_turned_away")),
    )
    op.create_table(
        "claims",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("segments", sa.LargeBinary(length=512), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_claims_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("trial_id", name=op.f("pk_claims")),
    )
    op.create_index(op.f("ix_claims_namespace"), "claims", ["namespace"])
    op.create_table(
        "left_out",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_left_out_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_left_out")),
        sa.UniqueConstraint(
            "kind", "number", "trial_id", name=op.f("uq_left_out_kind_number_trial_id")
        ),
    )
    op.create_index(op.f("ix_left_out_number"), "left_out", ["number"])
    op.create_table(
        "shared_holdouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shared_holdouts")),
    )
    with op.batch_alter_table("seals") as batch:
        batch.add_column(
            sa.Column("shared_holdout", sa.Double(), server_default="0", nullable=False)
        )


def downgrade() -> None:
    with op.batch_alter_table("seals") as batch:
        batch.drop_column("shared_holdout")
    op.drop_table("shared_holdouts")
    op.drop_index(op.f("ix_left_out_number"), table_name="left_out")
    op.drop_table("left_out")
    op.drop_index(op.f("ix_claims_namespace"), table_name="claims")
    op.drop_table("claims")
    op.drop_table("turned_away")
    op.drop_table("places")
    op.drop_table("received")
