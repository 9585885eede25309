"""Bucketing: the published formula, uniform, independent, and never moving anybody."""

from hashlib import sha256
from itertools import combinations

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trials.designs.bucketing import (
    POSTGRESQL,
    REASONS,
    Split,
    Step,
    bounds,
    bucket,
    bulk,
    even,
    expression,
    threshold,
)
from trials.designs.namespace import Namespace
from trials.errors import Conflict, Invalid, NotFound

MILLION = 1_000_000
SHAPES = {
    "sequential accounts": "'9' || lpad((i)::VARCHAR, 7, '0')",
    "telephone numbers": "'+447' || lpad(((i * 7919) % 1000000000)::VARCHAR, 9, '0')",
    "UPRNs": "(100023000000 + i * 3)::VARCHAR",
    "e-mail addresses": "'resident' || i || '@wychbridge.example'",
    "UUIDs": "'' || md5(i::VARCHAR)::UUID",
}


def test_the_published_known_answer():
    assert bucket("ctax-letter", 1, "arm", "UPRN100023336956") == 0.8944979936853521


@given(st.text(max_size=30), st.integers(0, 99))
def test_a_bucket_is_the_first_13_hexadecimal_digits_over_16_to_the_13(unit, epoch):
    text = f"v1|t|{epoch}|coverage|{unit}".encode(errors="replace")
    if b"?" in text:
        return
    assert bucket("t", epoch, "coverage", unit) == int(sha256(text).hexdigest()[:13], 16) / 16**13


def ids(shape):
    """A million ids and, for many trials at once, their hexadecimal digests in DuckDB."""
    connection = duckdb.connect()
    connection.execute(
        f"CREATE TABLE ids AS SELECT {SHAPES[shape]} AS unit FROM range({MILLION}) t(i)"
    )
    return connection


@pytest.mark.parametrize("shape", SHAPES)
def test_a_million_ids_fall_uniformly_and_independently_of_their_order(shape):
    """Chi-squared over 1,000 cells, and over neighbours' cells 10 × 10; each passes at 0.001.

    A cell of a thousandth holds 1,000 ± 32 ids, so a share that is wrong by a tenth of itself
    fails for certain; other keys than these would fail by chance once in a hundred runs of all ten.
    """
    connection = ids(shape)
    split = Split(
        trial="bins", arms=tuple(map(str, range(1000))), steps=(Step(1.0, (1.0,) * 1000),), seed=4
    )
    prefix = split.prefix("arm")
    query = f"SELECT ('0x' || substr(sha256('{prefix}' || unit), 1, 13))::BIGINT AS u FROM ids"
    u = connection.execute(query).fetchnumpy()["u"] / 2.0**52
    sample = connection.execute("SELECT unit FROM ids LIMIT 5").fetchall()
    assert [bucket("bins", 1, "arm.4", unit) for (unit,) in sample] == u[:5].tolist()
    assert stats.chisquare(np.bincount((u * 1000).astype(int), minlength=1000)).pvalue > 0.001
    pairs = np.bincount((u[:-1] * 10).astype(int) * 10 + (u[1:] * 10).astype(int), minlength=100)
    assert stats.chisquare(pairs).pvalue > 0.001


def bits(shape, trials, units):
    """Arm bits of the first ``units`` ids under each trial: trials × units."""
    connection = ids(shape)
    prefixes = [even(f"trial-{t}", ["a", "b"]).prefix("arm") for t in range(trials)]
    columns = [f"sha256('{prefix}' || unit)[1] >= '8' AS t{t}" for t, prefix in enumerate(prefixes)]
    query = f"SELECT {', '.join(columns)} FROM (SELECT unit FROM ids LIMIT {units})"
    found = connection.execute(query).fetchnumpy()
    return np.array([found[f"t{t}"] for t in range(trials)], np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_twenty_trials_are_pairwise_independent_on_ids_of_every_shape(shape):
    """190 two-by-two tables on 100,000 ids of each shape; trial keys that follow one another.

    Under independence a correlation has a standard error of 1/√100,000 = 0.0032. The largest of
    190 squared z-scores clears Bonferroni at 0.001, and their p-values are uniform at 0.001: of
    the five shapes one in 500 runs of other keys would fail by chance.
    """
    n = 100_000
    arms = bits(shape, 20, n)
    assert arms[3, :50].tolist() == [
        float(code) for code in bulk(even("trial-3", ["a", "b"]), units_of(shape, 50))
    ]
    centred = 2 * arms - 1
    means = centred.mean(axis=1, dtype=np.float64)
    both = (centred @ centred.T).astype(np.float64) / n
    spread = np.sqrt(1 - means**2)
    correlation = (both - np.outer(means, means)) / np.outer(spread, spread)
    z = correlation[np.triu_indices(20, 1)] * n**0.5
    p = stats.chi2.sf(z**2, 1)
    assert p.min() > 0.001 / len(p)
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert (np.abs(means) < 4.5 / n**0.5).all()


def units_of(shape, n):
    return [unit for (unit,) in ids(shape).execute(f"SELECT unit FROM ids LIMIT {n}").fetchall()]


def test_purposes_of_one_trial_are_independent():
    """Arm, coverage, holdout and namespace buckets of 25 trials: 150 tables of 10 × 10 cells.

    Their p-values are uniform, and the least clears Bonferroni at 0.001.
    """
    connection, p = ids("sequential accounts"), []
    purposes = ("arm", "coverage", "holdout", "namespace")
    for trial in range(25):
        hexed = [f"sha256('v1|t{trial}|1|{purpose}|' || unit)" for purpose in purposes]
        cells = [
            f"(('0x' || substr({h}, 1, 13))::BIGINT * 10) >> 52 AS u{i}"
            for i, h in enumerate(hexed)
        ]
        found = connection.execute(f"SELECT {', '.join(cells)} FROM ids LIMIT 20000").fetchnumpy()
        for i, j in combinations(range(4), 2):
            table = np.bincount(10 * found[f"u{i}"] + found[f"u{j}"], minlength=100).reshape(10, 10)
            p.append(stats.chi2_contingency(table).pvalue)
    assert min(p) > 0.001 / len(p)
    assert stats.kstest(p, "uniform").pvalue > 0.001


RAMP = (Step(0.1, (1, 1, 0.5)), Step(0.4, (1, 2, 1)), Step(1.0, (3, 1, 1)))


def test_a_ramp_never_moves_anybody_and_gives_each_step_its_weights():
    units = [f"A{i}" for i in range(60_000)]
    before = np.full(len(units), -3)
    for steps in (RAMP[:1], RAMP[:2], RAMP):
        now = bulk(Split(trial="t", arms=("a", "b", "c"), steps=steps, seed=1), units)
        assert (now[before >= 0] == before[before >= 0]).all()
        new = now[(before < 0) & (now >= 0)]
        weights = np.array(steps[-1].weights) / sum(steps[-1].weights)
        assert stats.chisquare(np.bincount(new), len(new) * weights).pvalue > 0.001
        before = now
    assert (before >= 0).all()


def test_reasons_have_their_shares_in_order():
    space = Namespace("tax").claim("other", 0.3).claim("t", 0.5)
    split = Split(
        trial="t",
        arms=("a", "b"),
        steps=(Step(0.8, (1, 1)),),
        seed=3,
        holdout=0.1,
        global_holdout=0.05,
        namespace=space.held_by("t"),
    )
    assign = split.assigner(lambda unit: "objected" if unit == "A7" else None)
    units = [f"A{i}" for i in range(40_000)]
    got = [assign(unit) for unit in units]
    counts = {r: sum(g.reason == r for g in got) for r in REASONS}
    left = np.array(
        [0.5, 0.5 * 0.05, 0.5 * 0.95 * 0.1, 0.5 * 0.95 * 0.9 * 0.2, 0.5 * 0.95 * 0.9 * 0.8]
    )
    names = ["outside-namespace", "global-holdout", "holdout", "outside-coverage", "split"]
    assert stats.chisquare([counts[n] for n in names], left * (40_000 - 1)).pvalue > 0.001
    assert got[7].reason == "objected"
    assert all((g.arm is None) == (g.reason != "split") for g in got)


@pytest.mark.parametrize("unit", ["", " ", "\t\n", "x" * 513, "é" * 257, "\ud800"])
def test_ids_that_are_empty_too_long_or_unreadable_are_refused_with_a_code(unit):
    got = even("t", ["a", "b"]).assigner()(unit)
    assert got.arm is None
    assert got.reason in ("empty-id", "long-id", "unreadable-id")


def full_split():
    held = Namespace("tax").claim("x", 0.6).held_by("x")
    return Split(
        trial="it's",
        arms=("a", "b", "c"),
        steps=RAMP[:2],
        seed=-5,
        holdout=0.07,
        global_holdout=0.03,
        namespace=held,
        epoch=2,
    )


ODD = ["", " ", "\t", "x" * 512, "x" * 513, "é" * 256, "é" * 257, "naïve'quote", "日本", "a|b"]


def expected(split, units):
    assign = split.assigner()
    return [g.code if g.code >= 0 else -REASONS.index(g.reason) for g in map(assign, units)]


def test_bulk_in_duckdb_gives_what_one_at_a_time_gives():
    units = [*ODD, *(f"A{i}" for i in range(5000))]
    for split in (full_split(), even("t", ["a", "b"])):
        assert bulk(split, units).tolist() == expected(split, units)


@pytest.mark.postgres
def test_postgresql_gives_what_one_at_a_time_gives():
    psycopg = pytest.importorskip("psycopg")
    try:
        connection = psycopg.connect(
            "host=127.0.0.1 user=postgres dbname=postgres", connect_timeout=3
        )
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL at 127.0.0.1")
    units = [*ODD, *(f"A{i}" for i in range(500))]
    with connection:
        sql = expression(full_split(), "unit", POSTGRESQL)
        query = f"SELECT {sql} FROM unnest(%s::text[]) WITH ORDINALITY AS t(unit, i) ORDER BY i"
        rows = connection.execute(query, (units,), prepare=False).fetchall()
    assert [code for (code,) in rows] == expected(full_split(), units)


def test_thresholds_are_exact_at_the_edges():
    assert threshold(0.5) == 1 << 51
    assert threshold(1.0) == 1 << 52
    assert bounds((1, 1, 2)) == (1 << 50, 1 << 51)
    third = bounds((1, 1, 1))[0]
    assert third - 1 < (1 << 52) / 3 <= third


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((), "must rise"),
        ((Step(0.5, (1, 1)), Step(0.4, (1, 1))), "must rise"),
        ((Step(1.2, (1, 1)),), "must rise"),
        ((Step(1.0, (1,)),), "one for each arm"),
        ((Step(1.0, (1, 0)),), "arm b: has no weight"),
    ],
)
def test_a_split_that_cannot_be_is_refused(steps, says):
    with pytest.raises(Invalid, match=says):
        Split(trial="t", arms=("a", "b"), steps=steps).assigner()


def test_trials_of_a_namespace_share_no_unit_and_a_share_only_grows():
    space = Namespace("tax").claim("a", 0.25).claim("b", 0.5)
    grown = space.claim("a", 0.4)
    units = [f"U{i}" for i in range(30_000)]
    of = [space.trial_of(u) for u in units]
    after = [grown.trial_of(u) for u in units]
    assert all(x == y for x, y in zip(of, after, strict=True) if x)
    assert (
        stats.chisquare([of.count("a"), of.count("b"), of.count(None)], [7500, 15_000, 7500]).pvalue
        > 0.001
    )
    for trial in ("a", "b"):
        assign = even(trial, ["x", "y"], namespace=space.held_by(trial)).assigner()
        assert [assign(u).reason == "split" for u in units] == [t == trial for t in of]
    with pytest.raises(
        Conflict, match=r"only 25\.0% of the namespace tax is free; the rest is held by a, b"
    ):
        space.claim("c", 0.3)
    with pytest.raises(Conflict, match="a share can only grow"):
        grown.claim("a", 0.1)
    with pytest.raises(NotFound):
        space.release("a").held_by("a")
    assert len(space.release("a").release("b").free) == 4096


def test_segments_freed_are_drawn_afresh_so_that_no_position_is_inherited():
    first = Namespace("tax").claim("a", 0.25)
    second = first.release("a").claim("b", 0.25)
    shared = len(first.claims[0].segments & second.claims[0].segments)
    assert stats.hypergeom(4096, 1024, 1024).sf(shared) > 0.001
    assert stats.hypergeom(4096, 1024, 1024).cdf(shared) > 0.001
