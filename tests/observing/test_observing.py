"""What is said where nothing was randomised: files and the log, graded and marked as weaker."""

from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm

from analysis import observing
from trials.contacts import load
from trials.errors import Invalid, SignpostError
from web.cli.main import main

MONTHS = [f"{2023 + m // 12}-{m % 12 + 1:02d}" for m in range(36)]


def series_file(folder, counts, *, extra=""):
    path = folder / "series.csv"
    rows = "".join(
        f"{p},{c},{50 + i}\n" for i, (p, c) in enumerate(zip(MONTHS, counts, strict=True))
    )
    path.write_text(f"period,count,customers{extra}\n{rows}")
    return path


@pytest.fixture
def counts():
    rng = np.random.default_rng(11)
    month = np.arange(36)
    mean = np.exp(4 + 0.01 * month + 0.1 * np.sin(2 * np.pi * month / 12) - 0.3 * (month >= 24))
    return rng.poisson(mean)


def question(**asked):
    return observing.Question(**({"method": "interrupted", "start": "2025-01"} | asked))


def panel_file(folder, *, effect=-4.0, areas=12, treated=4, drift=0.0):
    rng = np.random.default_rng(12)
    rows = ["period,area,count"]
    for a in range(areas):
        level = rng.normal(50, 8)
        for m, period in enumerate(MONTHS[:12]):
            y = level + m + rng.normal(0, 1) + (a < treated) * (effect * (m >= 6) + drift * m)
            rows.append(f"{period},A{a:02d},{y:.4f}")
    path = folder / "panel.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


TREATED = tuple(f"A{a:02d}" for a in range(4))


def test_an_interrupted_series_is_the_quasi_poisson_regression_of_its_file(tmp_path, counts):
    asked = question(exposure="customers", season=12.0, harmonics=1)
    told = observing.judge(observing.read(series_file(tmp_path, counts), asked), asked)
    month = np.arange(36)
    x = np.column_stack([np.ones(36), month >= 24, month, np.sin(2 * np.pi * month / 12),
                         np.cos(2 * np.pi * month / 12)]).astype(float)  # fmt: skip
    fitted = sm.GLM(counts, x, family=sm.families.Poisson(), exposure=50 + month).fit(
        scale="X2", tol=1e-14
    )
    assert told["estimate"]["estimate"] == pytest.approx(np.exp(fitted.params[1]), rel=1e-7)
    assert told["details"]["dispersion"] == pytest.approx(fitted.scale, rel=1e-7)
    assert told["grade"] == 5
    assert told["says"].startswith("Not randomised: weaker evidence than a trial")
    assert "lower than the periods before foretold" in told["says"]


def test_breaks_are_pretended_where_nothing_happened(tmp_path, counts):
    asked = question(placebos=3)
    told = observing.judge(observing.read(series_file(tmp_path, counts), asked), asked)
    assert len(told["placebo_breaks"]) == 3
    assert all(p["at"] < "2025-01" for p in told["placebo_breaks"])


def test_difference_in_differences_finds_the_change_and_a_drift_lowers_its_grade(tmp_path):
    asked = question(method="differences", start="2023-07", treated=TREATED)
    told = observing.judge(observing.read(panel_file(tmp_path), asked), asked)
    found = told["estimate"]
    assert found["low"] < -4 < found["high"] < 0
    assert told["grade"] == 5
    drifting = observing.judge(observing.read(panel_file(tmp_path, drift=0.8), asked), asked)
    assert drifting["grade"] == 6
    assert "moving apart" in drifting["warnings"][0]


def test_matched_areas_name_their_matches(tmp_path):
    asked = question(method="matched", start="2023-07", treated=TREATED[:1], matches=2)
    told = observing.judge(observing.read(panel_file(tmp_path), asked), asked)
    assert len(told["details"]["matches"]["A00"]) == 2
    assert told["scale"] == "difference"


def test_before_and_after_says_that_it_cannot_separate_the_change_from_others(tmp_path, counts):
    asked = question(method="before-after")
    told = observing.judge(observing.read(series_file(tmp_path, counts), asked), asked)
    assert told["grade"] == 6
    assert told["says"].startswith("Before and after: cannot separate the trial from other changes")


def test_the_log_itself_gives_whole_weeks(store, hasher, tmp_path):
    """Ten contacts a day for five weeks from a Wednesday: four whole weeks of 70."""
    rows = ["contact_id,occurred_at,channel,line,handled,unit"]
    for day in range(35):
        at = np.datetime64("2026-04-01T23:30") + np.timedelta64(day, "D")
        rows += [f"K{day}-{i},{at},phone,benefits,yes,U{i}" for i in range(10)]
    path = tmp_path / "contacts.csv"
    path.write_text("\n".join(rows) + "\n")
    load.add(store, path, hasher=hasher, actor="test")
    found = observing.from_log(store, line="benefits")
    assert found.y.tolist() == [[70.0] * 4]
    assert found.periods[0] == "2026-04-06"
    assert len(observing.from_log(store, every="day").periods) == 35
    with pytest.raises(SignpostError, match="no such contact"):
        observing.from_log(store, line="housing")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("period,count\n2025-01,x\n", "not a number"),
        ("period,other\n2025-01,1\n", "no column 'count'"),
        ("period,area,count\n1,a,1\n2,a,1\n1,b,1\n", "b 2 is missing"),
        ("period,count\n1,1\n1,2\n", "repeats"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_place(tmp_path, text, says):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(Invalid, match=says):
        observing.read(path, question())


def test_a_start_outside_the_data_is_refused(tmp_path, counts):
    data = observing.read(series_file(tmp_path, counts), question())
    for start in ("2030-01", "2020-01"):
        with pytest.raises(SignpostError, match="no period lies"):
            observing.judge(data, question(start=start))


def test_the_command_prints_the_watermark_before_the_number(tmp_path, counts, capsys):
    path = series_file(tmp_path, counts)
    main(["observe", str(path), "--from", "2025-01", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["design"] == "interrupted-time-series"
    assert (
        told["watermark"]
        == "Not randomised: weaker evidence than a trial, not to be set beside one."
    )
    main(["observe", str(path), "--from", "2025-01"])
    assert capsys.readouterr().out.startswith(told["watermark"])
