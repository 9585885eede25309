"""A plain reading of a rehearsal's files: people linked to contacts with DuckDB, nothing shared."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from trials.resources import folder
from trials.simulate import rehearsal, run

LINK = """
create table trial as select a.*, coalesce(e.exposed_at, a.assigned_at) as start
from read_csv('{f}/assignments.csv', all_varchar=true) a
left join read_csv('{f}/exposures.csv', all_varchar=true) e using (unit);
create table contact as select * from read_csv('{f}/contacts.csv', all_varchar=true);
create table linked as
select t.unit, t.arm, epoch(c.occurred_at::timestamptz) - epoch(t.start::timestamptz) as after,
  c.channel, c.line, c.reason, c.outcome, c.handled = 'yes' as handled, c.contact_id
from trial t join contact c on {on}
"""


class Files:
    """What a rehearsal wrote, and questions about it."""

    def __init__(self, made: run.Simulated) -> None:
        self.made = made
        self.db = duckdb.connect()
        on = ["t.phone = c.phone", "t.email = c.email", "t.account = c.account"]
        columns = (made.folder / "units.csv").open().readline()
        if "session" in columns:
            on.append("t.session = c.session")
        self.db.execute(LINK.format(f=made.folder, on=" or ".join(on)))

    def sql(self, text: str) -> list[tuple]:
        return self.db.execute(text).fetchall()

    def per_unit(self, what: str, days: float) -> dict[str, np.ndarray]:
        """For each arm, an aggregate of every unit's contacts in the window (zero if none)."""
        rows = self.sql(
            f"select t.arm, coalesce(x.v, 0) from trial t left join (select unit, {what} as v "
            f"from linked where after >= 0 and after <= {days * 86400} group by unit) x using (unit)"
        )
        arms: dict[str, list[float]] = {}
        for arm, value in rows:
            arms.setdefault(arm, []).append(float(value))
        return {arm: np.array(values) for arm, values in arms.items()}


@pytest.fixture(scope="session")
def plan():
    """The rehearsal of a built-in template."""

    def of(key: str, **changes) -> rehearsal.Rehearsal:
        found = rehearsal.read(folder("templates") / "rehearsals" / f"{key}.toml")
        return found.model_copy(update={"plan": found.plan.model_copy(update=changes)})

    return of


@pytest.fixture(scope="session")
def made(plan, tmp_path_factory):
    """The files of a rehearsal, made once."""
    kept: dict[tuple, Files] = {}

    def of(key: str, **changes) -> Files:
        name = (key, *sorted(changes.items()))
        if name not in kept:
            place = Path(tmp_path_factory.mktemp(key))
            kept[name] = Files(run.simulate(plan(key, **changes), place))
        return kept[name]

    return of
