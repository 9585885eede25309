"""A council's own tables of wrap codes, for the opportunity model."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Json, Moment

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reason_tables",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("months", sa.Double(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("document", Json(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reason_tables")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_reason_tables_fingerprint")),
    )


def downgrade() -> None:
    op.drop_table("reason_tables")
