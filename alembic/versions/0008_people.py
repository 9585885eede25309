"""Who is signed in and who tried, forms sent once, and people known by a provider."""

import sqlalchemy as sa

from alembic import op
from trials.store.base import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("users", sa.Column("subject", sa.String(length=300), nullable=True))
    op.create_index(op.f("ix_users_subject"), "users", ["subject"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("begun_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_index(op.f("ix_sessions_begun_at"), "sessions", ["begun_at"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("who", sa.LargeBinary(length=32), nullable=False),
        sa.Column("whence", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_who_at", "sign_in_attempts", ["who", "at"])
    op.create_index("ix_sign_in_attempts_whence_at", "sign_in_attempts", ["whence", "at"])
    op.create_table(
        "submissions",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("led_to", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_submissions_user_id_users")
        ),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_at"), "submissions", ["at"])


def downgrade() -> None:
    op.drop_table("submissions")
    op.drop_table("sign_in_attempts")
    op.drop_table("sessions")
    op.drop_index(op.f("ix_users_subject"), "users")
    op.drop_column("users", "subject")
