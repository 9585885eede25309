"""Bulk callers, deliveries, second codings, published tables, and units removed."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import BigKey, Json

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bulk_callers",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_callers")),
        sa.UniqueConstraint("kind", "number", name=op.f("uq_bulk_callers_kind_number")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", BigKey, nullable=False),
        sa.Column("notification", sa.LargeBinary(length=16), nullable=False),
        sa.Column("rung", sa.String(length=10), nullable=False),
        sa.Column("message", sa.String(length=6), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_deliveries_trial_id_trials")
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name=op.f("fk_deliveries_unit_id_units")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_deliveries_import_id_imports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "trial_id", "notification", name=op.f("uq_deliveries_trial_id_notification")
        ),
    )
    op.create_index(op.f("ix_deliveries_trial_id"), "deliveries", ["trial_id"])
    op.create_index(op.f("ix_deliveries_unit_id"), "deliveries", ["unit_id"])
    op.create_table(
        "second_codings",
        sa.Column("contact", sa.LargeBinary(length=16), nullable=False),
        sa.Column("first", sa.String(length=24), nullable=False),
        sa.Column("second", sa.String(length=24), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_second_codings_import_id_imports")
        ),
        sa.PrimaryKeyConstraint("contact", name=op.f("pk_second_codings")),
    )
    op.create_table(
        "statements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=True),
        sa.Column("document", Json(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_statements_trial_id_trials")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_statements_kind_name")),
    )
    op.create_index(op.f("ix_statements_trial_id"), "statements", ["trial_id"])
    op.create_table(
        "removals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("arm_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name=op.f("fk_removals_trial_id_trials")
        ),
        sa.ForeignKeyConstraint(["arm_id"], ["arms.id"], name=op.f("fk_removals_arm_id_arms")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removals")),
    )
    op.create_index(op.f("ix_removals_trial_id"), "removals", ["trial_id"])


def downgrade() -> None:
    for name in ("removals", "statements"):
        op.drop_index(op.f(f"ix_{name}_trial_id"), table_name=name)
        op.drop_table(name)
    op.drop_table("second_codings")
    op.drop_index(op.f("ix_deliveries_unit_id"), table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_trial_id"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_table("bulk_callers")
