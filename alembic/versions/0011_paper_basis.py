"""What a paper was written from, so that the same paper is not made twice."""

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "papers", sa.Column("basis", sa.String(length=71), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("papers", "basis")
