"""Runs the migrations on the connection it is given, or on the configured database."""

from alembic import context
from trials.store import tables
from trials.store.base import Base
from trials.store.engine import Store

assert tables


def run(connection) -> None:
    """Run them, on SQLite by copying tables where it cannot alter them."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from trials import settings

    store = Store.open(settings.load().database_url)
    with store.engine.execution_options(signpost_write=True).begin() as opened:
        run(opened)
