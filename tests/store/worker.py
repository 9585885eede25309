"""What a rival process does in the tests of the store: python worker.py ACT URL TIMES."""

import sys

import sqlalchemy as sa

from trials import audit
from trials.store import migrate
from trials.store.engine import Store


def count(store, times):
    """Read a number, then write it back plus one, each time in one transaction."""
    for _ in range(times):
        with store.write() as session:
            row = session.scalar(sa.text("SELECT version FROM trials WHERE key = 'counter'"))
            session.execute(
                sa.text("UPDATE trials SET version = :v WHERE key = 'counter'"), {"v": row + 1}
            )


def record(store, times):
    """Append to the audit log."""
    for _ in range(times):
        with store.write() as session:
            audit.record(session, "noted", "something", actor="test")


def upgrade(store, _times):
    """Bring the schema up to date."""
    migrate.upgrade(store)


if __name__ == "__main__":
    act, url, times = sys.argv[1:]
    opened = Store.open(url)
    {"count": count, "record": record, "upgrade": upgrade}[act](opened, int(times))
    opened.close()
