"""A published KPI table, exactly as printed, comes out with every contradiction in it."""

import io
from datetime import UTC, date, datetime

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contacts import kpis
from trials.contacts.reconcile import Choice, Claim, dates_in_order, met, reconcile, settled
from trials.errors import Conflict, Invalid, SignpostError

PRINTED = """Indicator,Target,21/22,Jul-22,Aug-22,Sep-22,Oct-22,Nov-22 (to 21st)
Calls offered,–,"476,004","40,046","35,307","35,554","33,592","23,100"
Calls answered,–,#####,"30,276","30,476","31,203","29,187","22,374"
% answered,90%,85.25%,75.60%,86.31%,87.80%,94.48%,96.85%
% abandoned,10%,11.74%,12.30%,11.40%,11.90%,4.71%,5.32%
Average wait (s),180,326,431,426,434,242,134
First call resolution,51%,71.41%,68.60%,70.40%,72.40%,75.30%,77.10%
"""
NOVEMBER = "Nov-22 (to 21st)"


def table(text=PRINTED):
    return kpis.read(io.BytesIO(text.encode()), source="report, section 2.3")


def found():
    return {(f.period, f.code): f for f in reconcile(table())}


def test_the_printed_table_is_kept_as_printed():
    kpi = table()
    assert kpi.unread == ()
    assert kpi.cell("answered", "21/22") == kpis.Cell(
        "#####", None, "a spreadsheet's overflow: the column was too narrow to show the number")  # fmt: skip
    assert kpi.value("offered", "21/22") == 476004
    assert kpi.cell("answered-rate", "Oct-22").text == "94.48%"
    assert kpi.value("wait", NOVEMBER) == 134
    assert kpi.targets == {"answered-rate": 90, "abandoned-rate": 10, "wait": 180, "fcr": 51}
    year, november = kpi.periods[0], kpi.periods[-1]
    assert (year.start, year.end) == (date(2021, 4, 1), date(2022, 3, 31))
    assert (november.start, november.end, november.whole) == (
        date(2022, 11, 1), date(2022, 11, 21), False)  # fmt: skip


def test_every_contradiction_of_the_printed_table_and_nothing_else_is_found():
    assert set(found()) == {
        ("21/22", "missing"), ("21/22", "in-neither"),
        ("Jul-22", "in-neither"),
        ("Aug-22", "answered-rate"), ("Aug-22", "in-neither"),
        ("Sep-22", "answered-rate"), ("Sep-22", "consistent"),
        ("Oct-22", "answered-rate"), ("Oct-22", "in-neither"),
        (NOVEMBER, "answered-rate"), (NOVEMBER, "abandoned-exceeds-unanswered"),
        (NOVEMBER, "rates-exceed-100"), (NOVEMBER, "part-period"),
        (None, "target-too-easy"),
    }  # fmt: skip
    levels = {key: f.level for key, f in found().items() if key[1] == "answered-rate"}
    assert levels == {("Aug-22", "answered-rate"): "rounding", ("Sep-22", "answered-rate"): "rounding",
                      ("Oct-22", "answered-rate"): "contradiction",
                      (NOVEMBER, "answered-rate"): "rounding"}  # fmt: skip


def test_october_counts_and_rate_contradict_by_7_6_points_and_both_are_kept():
    october = found()["Oct-22", "answered-rate"]
    assert october.published == 94.48
    assert round(october.computed, 2) == 86.89
    assert {name: round(value) for name, value in october.implied} == {
        "answered": 31738, "offered": 30892}  # fmt: skip
    for part in ("86.89%", "94.48%", "7.6 percentage points", "31,738", "30,892"):
        assert part in october.says


@pytest.mark.parametrize(
    ("key", "parts"),
    [(("21/22", "missing"), ["405,793", "overflow", "not counted as zero"]),
     (("21/22", "in-neither"), ["96.99%"]),
     (("Jul-22", "in-neither"), ["87.90%", "12.1%"]),
     (("Aug-22", "in-neither"), ["97.71%", "2.3%"]),
     (("Aug-22", "answered-rate"), ["86.32%", "86.31%", "0.01", "rounding"]),
     (("Sep-22", "answered-rate"), ["87.76%", "87.80%", "rounding"]),
     (("Oct-22", "in-neither"), ["99.19%"]),
     ((NOVEMBER, "rates-exceed-100"), ["102.17%", "different denominators"]),
     ((NOVEMBER, "abandoned-exceeds-unanswered"), ["726 calls (3.14%)", "5.32%"]),
     ((NOVEMBER, "part-period"), ["1 to 21 only", "15 working days", "1,540 a working day"]),
     ((None, "target-too-easy"), ["first call resolution", "51", "68.6"])],
)  # fmt: skip
def test_each_finding_says_its_figures_in_plain_english(key, parts):
    for part in parts:
        assert part in found()[key].says


def test_contradictions_come_first():
    levels = [f.level for f in reconcile(table())]
    assert levels[:3] == ["contradiction"] * 3
    assert "contradiction" not in levels[3:]


def test_a_statement_elsewhere_is_held_against_the_table():
    claim = Claim(indicator="wait", period="Nov-22", words="just below 2 minutes",
                  source="Section 2.5", high=120)  # fmt: skip
    extra = [f for f in reconcile(table(), [claim]) if f.code == "claim"]
    assert len(extra) == 1
    assert "134" in extra[0].says
    agreeing = Claim(
        indicator="wait", period="Oct-22", words="about 4 minutes", source="x", low=220, high=260
    )
    assert not [f for f in reconcile(table(), [agreeing]) if f.code == "claim"]


def test_the_choice_between_two_values_is_made_by_a_person_and_recorded():
    moment = datetime(2022, 12, 1, tzinfo=UTC)
    choice = Choice(period="Oct-22", indicator="answered-rate", use="computed", by="analyst", at=moment,
                    why="the counts come from the telephone system itself")  # fmt: skip
    assert settled(reconcile(table()), [choice])["Oct-22", "answered-rate"] == pytest.approx(
        86.887, abs=1e-3
    )
    with pytest.raises(Conflict):
        settled(reconcile(table()), [choice, Choice(period="Oct-22", indicator="answered-rate",
                use="published", by="other", at=moment, why="")])  # fmt: skip
    with pytest.raises(Conflict):
        settled(reconcile(table()), [Choice(period="Jul-22", indicator="wait", use="computed", by="x",
                at=moment, why="")])  # fmt: skip


@pytest.mark.parametrize("text", ["#####", "n/a", "-", "–", "", "  ", "N/A", "#N/A", "##", "nil"])
def test_what_says_nothing_is_missing_with_a_reason_and_never_zero(text):
    cell = kpis.read_cell(text, "answered")
    assert cell.value is None
    assert cell.missing


def test_a_workbook_with_percent_cells_reads_the_same():
    book = openpyxl.Workbook()
    page = book.active
    page.append(["Indicator", "Target", "Oct-22"])
    page.append(["Calls offered", None, 33592])
    page.append(["Calls answered", None, 29187])
    page.append(["% answered", 0.9, 0.9448])
    for cell in (page["B4"], page["C4"]):
        cell.number_format = "0.00%"
    out = io.BytesIO()
    book.save(out)
    kpi = kpis.read(io.BytesIO(out.getvalue()))
    assert kpi.value("answered-rate", "Oct-22") == pytest.approx(94.48)
    assert kpi.targets["answered-rate"] == 90


@pytest.mark.parametrize(
    ("label", "start", "end"),
    [("Jul-22", date(2022, 7, 1), date(2022, 7, 31)), ("October 2022", date(2022, 10, 1), date(2022, 10, 31)),
     ("Sept 22", date(2022, 9, 1), date(2022, 9, 30)), ("2022-02", date(2022, 2, 1), date(2022, 2, 28)),
     ("2021/22", date(2021, 4, 1), date(2022, 3, 31)), ("Q2 22/23", date(2022, 7, 1), date(2022, 9, 30)),
     ("Q4 2022/23", date(2023, 1, 1), date(2023, 3, 31))],
)  # fmt: skip
def test_headings_are_periods(label, start, end):
    period = kpis.period_of(label)
    assert (period.start, period.end, period.whole) == (start, end, True)


@pytest.mark.parametrize(
    "label", ["Target", "Ju-22", "22/24", "Total", "Nov-22 (to 31st)", "13/2022"]
)
def test_what_is_no_period_is_not_taken_for_one(label):
    assert kpis.period_of(label) is None


def test_working_days_leave_out_weekends_and_bank_holidays():
    """December 2022 had 22 weekdays; the 26th and 27th were bank holidays."""
    assert kpis.period_of("Dec-22").working_days == 20


def test_a_date_that_goes_back_is_noticed():
    """The plan's "January 2022" after December 2022."""
    (one,) = dates_in_order(["November 2022", "December 2022", "January 2022"])
    assert one.code == "date-order"
    assert "the year may be mistyped" in one.says
    assert dates_in_order(["November 2022", "December 2022", "January 2023"]) == []


def test_targets_are_met_by_the_direction_of_the_indicator():
    assert met("wait", 134, 180)
    assert not met("abandoned-rate", 12.3, 10)
    assert met("fcr", 68.6, 51)


def test_impossible_figures_are_contradictions():
    text = ("Indicator,Jan-22,Feb-22\nCalls offered,100,100\nCalls answered,120,90\n"
            "% answered,120%,-3%\nLunch,1,2\n")  # fmt: skip
    kpi = table(text)
    codes = {(f.period, f.code) for f in reconcile(kpi)}
    assert {("Jan-22", "more-than-offered"), ("Jan-22", "impossible"), ("Feb-22", "impossible"),
            ("Feb-22", "answered-rate")} <= codes  # fmt: skip
    assert "not a known indicator" in str(kpi.unread[0])


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "Indicator,Jan-22\nLunch,3\n"])
def test_a_table_that_is_no_kpi_table_is_refused(text):
    with pytest.raises(Invalid):
        table(text)


CELL = st.one_of(st.sampled_from(["#####", "n/a", "-", "", "0", "0%", "100%", "1,000", "-5", "1e9", "101%"]),
                 st.text(max_size=8))  # fmt: skip


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=6, max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_figures_give_findings_without_an_exception(cells):
    names = [line.split(",")[0] for line in PRINTED.splitlines()[1:]]
    rows = [(i, [name, *row]) for i, (name, row) in enumerate(zip(names, cells, strict=True), 2)]
    for finding in reconcile(kpis.of(["Indicator", "Target", "Oct-22", "Nov-22"], rows)):
        assert finding.says


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_table_or_a_sentence(data):
    try:
        reconcile(table((PRINTED[:60].encode() + data).decode("latin-1")))
    except SignpostError:
        return
