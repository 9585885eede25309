"""A plain reading of a rehearsal's files: people linked to contacts with DuckDB, nothing shared."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from trials.resources import folder
from trials.simulate import rehearsal, run

LINK = """
create table trial as
select a.*, epoch(coalesce(e.exposed_at, a.assigned_at)::timestamptz) as start
from read_csv('{f}/assignments.csv', all_varchar=true) a
left join read_csv('{f}/exposures.csv', all_varchar=true) e using (unit);
create table contact as
select *, epoch(occurred_at::timestamptz) as moment
from read_csv('{f}/contacts.csv', all_varchar=true);
create table linked as
select distinct t.unit, t.arm, c.moment - t.start as after, c.channel, c.line, c.reason,
  c.outcome, c.handled = 'yes' as handled, c.contact_id
from ({pairs}) p join trial t using (unit) join contact c using (contact_id)
"""
PAIR = "select t.unit, c.contact_id from trial t join contact c on t.{kind} = c.{kind}"


class Files:
    """What a rehearsal wrote, and questions about it."""

    def __init__(self, made: run.Simulated) -> None:
        self.made = made
        self.db = duckdb.connect()
        with (made.folder / "units.csv").open() as units:
            header = units.readline()
        kinds = [k for k in ("phone", "email", "account", "session") if k in header]
        pairs = " union all ".join(PAIR.format(kind=kind) for kind in kinds)
        self.db.execute(LINK.format(f=made.folder, pairs=pairs))

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
