"""Compression of rows in plain NumPy, independent of the product's own pass over the log."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.tables import Grouped, Key

DATA = Path(__file__).parents[1] / "data" / "frequentist"


def key(codes, name="key"):
    codes = np.asarray(codes, dtype=np.int64)
    return Key(
        name=name, codes=codes, levels=tuple(str(i) for i in range(codes.max(initial=-1) + 1))
    )


def group_rows(
    arm, y, *, d=None, x=None, stratum=None, cluster=None, period=None, segments=None, k=2
):
    """Rows to cells: one cell for each combination of keys and covariates that occurs."""
    arm, y = np.asarray(arm, dtype=np.int64), np.asarray(y, dtype=float)
    segments = segments or {}
    keys = (arm, stratum, cluster, period, *segments.values())
    columns = [np.asarray(codes, float) for codes in keys if codes is not None]
    if x is not None:
        x = np.asarray(x, float).reshape(len(y), -1)
        columns.extend(x.T)
    _, first, into = np.unique(
        np.column_stack(columns), axis=0, return_index=True, return_inverse=True
    )
    into = into.ravel()

    def add(v):
        return np.bincount(into, v, len(first)).astype(float)

    def cut(codes, name):
        if codes is None:
            return None
        whole = key(codes, name)
        return Key(name=name, codes=whole.codes[first], levels=whole.levels)

    d = None if d is None else np.asarray(d, float)
    return Grouped(
        arms=tuple("control" if i == 0 else f"arm-{i}" for i in range(k)),
        control=0, weights=(1.0,) * k, arm=arm[first], n=add(np.ones(len(y))), y=add(y), yy=add(y * y),
        d=None if d is None else add(d), dd=None if d is None else add(d * d),
        dy=None if d is None else add(d * y),
        stratum=cut(stratum, "stratum"), cluster=cut(cluster, "cluster"), period=cut(period, "period"),
        segments={n: cut(c, n) for n, c in segments.items()},
        x=None if x is None else x[first],
        covariates=() if x is None else tuple(f"x{i}" for i in range(x.shape[1])),
    )  # fmt: skip


def read_csv(name):
    """Columns of a file of the test data, as floats where they are numbers."""
    with (DATA / name).open(newline="") as file:
        rows = list(csv.DictReader(file))

    def column(values):
        try:
            return np.array([float(v) if v not in ("", "NA") else np.nan for v in values])
        except ValueError:
            return np.array(values)

    return {k: column([r[k] for r in rows]) for k in rows[0]}


@pytest.fixture(scope="session")
def rows():
    return group_rows


@pytest.fixture(scope="session")
def table():
    return read_csv


@pytest.fixture(scope="session")
def keyed():
    return key


@pytest.fixture(scope="session")
def reference():
    """The made-up rows and, by name, what R says: (estimate, se, df)."""
    data = read_csv("reference.csv")
    out = read_csv("reference_r.csv")
    said = {
        str(n): (e, s, f)
        for n, e, s, f in zip(out["name"], out["estimate"], out["se"], out["df"], strict=True)
    }
    return data, said
