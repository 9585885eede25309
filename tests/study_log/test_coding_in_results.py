"""How contacts are coded, in the result of a run and in its report, by figures worked by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from analysis.report.html import report_html
from tests.study_log.conftest import KEY, TRIAL, call
from trials import registry
from trials.contacts import reasons, second_coding
from trials.errors import Invalid

REASONS = (
    "source,code,reason,category\n"
    "phone,Chase,Chasing,progress-chasing\n"
    "phone,Pay,Paying,value\n"
    "phone,Other,Other,unclassified\n"
)
LATE = call("late", 30, phone="02079469999")
CODES = {
    "c": ["Chase"] * 30 + ["Pay"] * 40 + ["Other"] * 10 + [""] * 20,
    "t": ["Chase"] * 10 + ["Pay"] * 40 + ["Other"] * 30 + ["Strange"] * 20,
}
"""100 people in each arm; of each, one call. "Strange" has no meaning."""


def person(n, arm):
    return f"P{n},{arm},2026-04-01,0207946{n:04}\n"


@pytest.fixture
def coded(calls, store, tmp_path):
    """A trial whose calls carry these codes; answers what analyses it."""
    people = "unit,arm,assigned_at,phone\n" + "".join(
        person(n, "c" if n < 100 else "t") for n in range(200)
    )
    made = [
        call(n, 2, phone=f"0207946{n:04}", reason=code)
        for n, code in enumerate([*CODES["c"], *CODES["t"]])
    ]
    # A second call of somebody who called before: only each person's first is told.
    made.append(call("again", 3, phone="02079460000", reason="Pay"))
    path = tmp_path / "reasons.csv"
    path.write_text(REASONS, encoding="utf-8")
    reasons.add(store, path, actor="t")
    return calls(people, [*made, LATE], TRIAL)


def sample(store, tmp_path, rows, header="contact_id,first,second\n"):
    path = tmp_path / "twice.csv"
    path.write_text(header + "".join(f"{','.join(row)}\n" for row in rows), encoding="utf-8")
    pairs = second_coding.read(path, second_coding.PLAIN)
    return second_coding.keep(store, path, pairs, source=None, actor="t")


AVOID, VALUE = "progress-chasing", "value"
TWICE = [
    *((str(n), AVOID, AVOID) for n in range(16)), *((str(n), AVOID, VALUE) for n in range(16, 20)),
    *((str(n), VALUE, VALUE) for n in range(30, 48)), ("48", VALUE, AVOID), ("49", VALUE, AVOID),
]  # fmt: skip
"""40 of the control's calls: Se = 16/18, Sp = 18/22."""


def test_coverage_other_and_bounds_are_told_by_arm(coded):
    control, treated = coded()["coding"]["arms"]

    assert (control["contacts"], treated["contacts"]) == (100, 100)
    assert (control["coded"]["estimate"], control["other"]["estimate"]) == (0.8, 0.1)
    assert (treated["coded"]["estimate"], treated["unmapped"]) == (1.0, 20)
    # 70 of 100 are classified, 30 of them avoidable; all or none of the other 30 may be.
    assert control["avoidable"]["among_coded"]["estimate"] == pytest.approx(30 / 70)
    assert (control["avoidable"]["low"], control["avoidable"]["high"]) == (0.3, 0.6)
    assert (treated["avoidable"]["low"], treated["avoidable"]["high"]) == (0.1, 0.6)
    assert "corrected" not in control["avoidable"]


def test_a_difference_of_codes_is_found_and_told(coded):
    coding = coded()["coding"]

    assert coding["difference"]["p"] < 0.001
    assert coding["difference"]["largest"]["code"] in {"uncoded", "Strange"}
    assert any("The codes differ between versions" in line for line in coding["says"])
    assert coding["sample"] is None


def test_contacts_coded_twice_correct_shares_and_counts(coded, store, tmp_path):
    assert sample(store, tmp_path, TWICE).added == 40

    result = coded()
    kept, (contrast,) = result["coding"]["sample"], result["deflection"]["contrasts"]

    se, sp = 16 / 18, 18 / 22
    assert (kept["contacts"], kept["agreed"]) == (40, 34)
    assert (kept["sensitivity"], kept["specificity"]) == pytest.approx((se, sp))
    control = result["coding"]["arms"][0]["avoidable"]
    assert control["corrected"]["estimate"] == pytest.approx((30 / 70 + sp - 1) / (se + sp - 1))
    # In all, 101 calls and 100; of the classified 30 of 71 and 10 of 50 were coded avoidable.
    saved = 30 * 101 / 71 - 10 * 100 / 50
    freed = (saved - (1 - sp) * (101 - 100)) / (se + sp - 1)
    assert contrast["avoidable_corrected"]["estimate"] == pytest.approx(1000 * freed / 100)
    assert any("40 contacts were coded twice, 34 of them alike" in s
               for s in result["coding"]["says"])  # fmt: skip


def test_arms_that_are_coded_with_another_accuracy_are_not_corrected_alike(coded, store, tmp_path):
    """All 20 of the control's avoidable calls were coded so, 2 of 20 of the treated arm's."""
    rows = [(str(n), AVOID, AVOID) for n in range(20)]
    rows += [(str(n), VALUE, AVOID) for n in range(110, 128)]
    rows += [("100", AVOID, AVOID), ("101", AVOID, AVOID), ("60", VALUE, VALUE)]
    sample(store, tmp_path, rows)

    result = coded()

    (contrast,) = result["deflection"]["contrasts"]
    assert contrast["avoidable_corrected"]["absent"] == "coded-differently"
    assert result["coding"]["sample"]["p_accuracy_by_arm"] < 0.001


def test_a_sample_is_kept_once_and_corrected_by_a_newer_one(coded, store, tmp_path):
    sample(store, tmp_path, TWICE)
    again = sample(store, tmp_path, TWICE)
    newer = sample(store, tmp_path, [("0", AVOID, VALUE)])

    assert (again.added, again.unchanged) == (0, 40)
    assert (newer.added, newer.corrected) == (0, 1)


def test_a_contact_that_is_not_in_the_log_is_named_by_its_line(coded, store, tmp_path):
    with pytest.raises(Invalid) as refused:
        sample(store, tmp_path, [*TWICE, ("nobody", AVOID, AVOID), ("0", AVOID, AVOID)])

    assert [problem.line for problem in refused.value.problems] == [42, 43]
    assert "not in the log" in str(refused.value.problems[0])
    with store.read() as session:
        assert second_coding.kept(session) == []


def test_the_report_says_how_contacts_were_matched_and_coded(coded, store, tmp_path):
    sample(store, tmp_path, TWICE)
    result = json.loads(json.dumps(coded()))
    with store.read() as session:
        trial = registry.load(session, KEY).definition

    page = report_html(trial, result, css="", generated_at=datetime.now(tz=UTC))

    assert "How contacts were matched and coded" in page
    assert "People whom an identifier can match, by the strongest they have" in page
    assert "100 (100.0%)" in page
    assert "30.0% to 60.0%" in page
    assert "Freed of miscoding, each contact in full" in page
