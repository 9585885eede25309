"""Draws as files: CSV, NetCDF, and a notebook that makes every figure of the report again."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from analysis.report.reading import Json
from analysis.tables import Floats

Values = Mapping[str, Floats]


def csv_bytes(_document: Json, values: Values) -> bytes:
    """One row a draw: ``chain``, ``draw``, then a column a quantity (``effect/METRIC/ARM`` …)."""
    table = {name: _chains(value) for name, value in values.items()}
    shape = next(iter(table.values())).shape if table else (0, 0)
    same = {name: value for name, value in table.items() if value.shape == shape}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["chain", "draw", *map(_safe, same)])
    for chain in range(shape[0]):
        for draw in range(shape[1]):
            row = [f"{value[chain, draw]:.8g}" for value in same.values()]
            writer.writerow([chain, draw, *row])
    return out.getvalue().encode()


def netcdf_bytes(document: Json, values: Values) -> bytes:
    """NetCDF (classic format) with dimensions chain and draw, as xarray and ArviZ read.

    A quantity's full name is in its ``long_name``; names of variables keep letters and digits.
    """
    from scipy.io import netcdf_file

    out = io.BytesIO()
    file = netcdf_file(out, "w")
    for number, (name, value) in enumerate(values.items()):
        made = _chains(value)
        dims = []
        for size, base in zip(made.shape, ("chain", "draw"), strict=True):
            known = f"{base}_{size}"
            if known not in file.dimensions:
                file.createDimension(known, size)
            dims.append(known)
        variable = file.createVariable(_variable(number, name), "d", tuple(dims))
        variable[:] = made
        variable.long_name = name.encode()
    told = document.get("provenance")
    found: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    file.trial = str(document.get("trial", "")).encode()
    for key in ("plan_hash", "data_hash", "seed"):
        setattr(file, key, str(found.get(key, "")).encode())
    file.flush()
    return out.getvalue()


def notebook_bytes(document: Json, values: Values) -> bytes:
    """A notebook (nbformat 4) with the report and its draws inside; needs NumPy and Matplotlib."""
    import nbformat

    v4: Any = nbformat.v4
    packed = {name: _chains(value).astype("<f4") for name, value in values.items()}
    shapes = {name: list(value.shape) for name, value in packed.items()}
    body = zlib.compress(b"".join(value.tobytes() for value in packed.values()), 6)
    kept = {k: v for k, v in document.items() if k != "models"}
    kept["models"] = [
        {k: m.get(k) for k in ("name", "checks", "diagnostics", "chains")}
        for m in document.get("models", ())
    ]
    data = (
        f"DOCUMENT = {json.dumps(json.dumps(kept, ensure_ascii=True))}\n"
        f"SHAPES = {json.dumps(json.dumps(shapes))}\n"
        f"DRAWS = {base64.b64encode(body).decode()!r}"
    )
    title = (
        f"# Posterior report: {document.get('trial', '')}\n\nEvery figure again, from the draws."
    )
    cells = [v4.new_markdown_cell(title), v4.new_code_cell(data)]
    for heading, code in _PARTS:
        cells += [v4.new_markdown_cell(f"## {heading}"), v4.new_code_cell(code)]
    for number, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{number}".encode()).hexdigest()[:12]
    made = v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(made)
    writes: Any = nbformat.writes
    return str(writes(made)).encode()


def _chains(value: Floats) -> Floats:
    return np.asarray(value if value.ndim == 2 else value.reshape(1, -1))


def _safe(name: str) -> str:
    """A heading that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@" else name


def _variable(number: int, name: str) -> str:
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return f"q{number}_{plain}"[:120]


_LOAD = """import base64, json, zlib
import matplotlib
import numpy as np
matplotlib.use("agg")
import matplotlib.pyplot as plt

document, shapes = json.loads(DOCUMENT), json.loads(SHAPES)
flat, at, draws = np.frombuffer(zlib.decompress(base64.b64decode(DRAWS)), "<f4"), 0, {}
for name, shape in shapes.items():
    size = int(np.prod(shape))
    draws[name] = flat[at:at + size].reshape(shape).astype(float)
    at += size
level = document["level"]
tails = [(1 - level) / 2, (1 + level) / 2]


def forest(rows, title):
    rows = [r for r in rows if r[1].get("mean", r[1].get("estimate")) is not None]
    if not rows:
        print("nothing to draw:", title)
        return
    plt.figure(figsize=(7, 1 + 0.35 * len(rows)))
    for i, (name, p) in enumerate(rows):
        plt.plot([p["low"], p["high"]], [i, i], "-", [p.get("mean", p.get("estimate"))], [i], "o")
    plt.yticks(range(len(rows)), [r[0] for r in rows])
    plt.axvline(0, color="k")
    plt.title(title)
    plt.show()


sorted(draws)"""
_EFFECTS = """for m in document["measures"]:
    p, x = m.get("posterior") or {}, draws.get(f"effect/{m['metric']}/{m['arm']}")
    if x is None or p.get("mean") is None:
        continue
    x = x.ravel()
    low, high = np.quantile(x, tails)
    better = (x < 0).mean() if m["better"] == "lower" else (x > 0).mean()
    assert abs(x.mean() - p["mean"]) < 0.15 * p["sd"], m["metric"]
    assert abs(better - p["probability_better"]) < 0.04, m["metric"]
    print(f"{m['metric']:20} {m['arm']:16} {x.mean():+.5f} ({low:+.5f} to {high:+.5f}) "
          f"better {better:.3f}; reported {p['mean']:+.5f} and {p['probability_better']:.3f}")
    plt.figure(figsize=(7, 2.5))
    plt.hist(x, 60, density=True, alpha=0.4)
    prior = m["densities"]["prior"]
    if prior:
        plt.plot(prior["x"], prior["density"], "--")
    plt.axvline(0, color="k")
    plt.title(f"{m['title']}: {m['arm']}")
    plt.show()"""
_DEFLECTION = """for d in document["deflection"]:
    net, gross = draws[f"net/{d['arm']}"].ravel(), draws[f"gross/{d['arm']}"].ravel()
    print(f"{d['arm']:16} gross {1000 * gross.mean():.1f} and net {1000 * net.mean():.1f}")
    plt.figure(figsize=(7, 2.5))
    plt.hist(1000 * gross, 60, density=True, alpha=0.4, label="gross")
    plt.hist(1000 * net, 60, density=True, alpha=0.4, label="net")
    plt.legend()
    plt.title(f"Contacts saved per 1,000: {d['arm']}")
    plt.show()"""
_GROUPS = """rows = []
for s in document["segments"]:
    for c in s["contrasts"]:
        name = f"{s['by']} {s['level']}, {c['arm']}"
        rows += [(name + " alone", c["difference"] or {}), (name + " pooled", c["shrunk"] or {})]
forest([r for r in rows if r[1].get("low") is not None and r[1].get("high") is not None],
       "Groups, alone and pooled")"""
_LOOKS = """forest([(f"{a['arm']} {k['label']}", k["posterior"])
        for a in document["looks"]["arms"] for k in a["looks"]], "Look by look")"""
_PRIORS = """forest([(f"{m['arm']}, {label}", p) for m in document["measures"]
        if m["role"] == "primary"
        for label, p in (m.get("sensitivity") or {}).get("posteriors", {}).items()],
       "Under other priors")"""
_CHECKS = """for model in document["models"]:
    for group in model["checks"] or []:
        for c in group["checks"]:
            plt.figure(figsize=(5, 2))
            plt.stairs(c["counts"], c["bins"], fill=True, alpha=0.4)
            plt.axvline(c["observed"], color="k")
            plt.title(f"{model['name']}: {c['statistic']} ({group['kind']})")
            plt.show()
            plt.close("all")
    print(model["name"], {k: v for k, v in (model["diagnostics"] or {}).items()
                          if k != "by_quantity"})
    for c in model.get("chains") or []:
        plt.figure(figsize=(5, 1))
        plt.bar(range(len(c["counts"])), c["counts"])
        plt.axhline(sum(c["counts"]) / len(c["counts"]), color="k")
        plt.title(f"{model['name']}: ranks of chain {c['chain']}")
        plt.show()
        plt.close("all")"""
_PARTS = (
    ("The draws", _LOAD),
    ("Effects, and the priors they came from", _EFFECTS),
    ("Deflection", _DEFLECTION),
    ("Groups", _GROUPS),
    ("Look by look", _LOOKS),
    ("Priors", _PRIORS),
    ("Predictive checks and diagnostics", _CHECKS),
)

MAKERS: Mapping[str, Callable[[Json, Values], bytes]] = {
    "csv": csv_bytes,
    "nc": netcdf_bytes,
    "ipynb": notebook_bytes,
}
