"""Every chart shows the result's own numbers, with its sentence, its table and its name."""

from __future__ import annotations

import copy
import re

import pytest
from sample import donor_result, donor_trial, early_result, estimate, letter_result, letter_trial

from analysis.report import charts, displaced, render
from analysis.report.pictogram import pictograms
from analysis.report.words import natural_frequencies

CASES = {"letter": (letter_trial, letter_result), "donor": (donor_trial, donor_result)}


def drawn(case):
    trial, result = CASES[case]
    return charts.charts(trial(), result())


def values(spec, field):
    """The values of ``field`` in every panel of a specification."""
    return [
        row[field] for panel in spec["vconcat"] for row in panel["data"]["values"] if field in row
    ]


def rules(panel):
    """Where the vertical lines of a panel stand."""
    return [layer["data"]["values"][0]["at"] for layer in panel["layer"] if "data" in layer]


def test_a_full_result_has_all_its_charts_net_before_every_effect():
    assert [c.key for c in drawn("letter")] == [
        "arms", "deflection", "displacement", "effects", "segments",
    ]  # fmt: skip
    assert [c.key for c in drawn("donor")] == ["arms", "effects"]


def test_a_result_without_figures_has_no_chart():
    assert charts.charts(letter_trial(), early_result()) == []


@pytest.mark.parametrize("case", CASES)
def test_every_chart_has_a_sentence_a_table_and_a_text_alternative(case):
    for chart in drawn(case):
        assert chart.conclusion.endswith(".")
        assert chart.conclusion in chart.alt
        assert chart.rows
        assert all(len(row) == len(chart.columns) for row in chart.rows)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_every_label_reaches_the_drawing(case, narrow):
    """A missing font draws a chart without any text and without an error."""
    for chart in drawn(case):
        spec = chart.narrow if narrow else chart.spec
        shown = " ".join(render.text_in(render.svg(chart, narrow=narrow)))
        for name, says in zip(values(spec, "name"), values(spec, "says"), strict=True):
            assert " ".join(name) in shown.replace("  ", " ") or all(n in shown for n in name)
            assert says in shown
        for panel in spec["vconcat"]:
            titles = panel.get("title", {})
            for line in [*titles.get("text", []), *titles.get("subtitle", [])]:
                assert line in shown


@pytest.mark.parametrize("case", CASES)
def test_drawings_pass_a_policy_without_inline_styles_or_scripts_and_have_a_name(case):
    for chart in drawn(case):
        for narrow in (False, True):
            svg = render.svg(chart, narrow=narrow)
            assert "style=" not in svg
            assert not re.search(r"<(script|style|image|foreignObject)", svg)
            assert "href" not in svg
            assert svg.count('role="img"') == 1
            title = re.search(r'<title id="([^"]+)">([^<]+)</title>', svg)
            assert f'aria-labelledby="{title[1]}"' in svg
            assert "Chart:" in title[2]


def test_identifiers_of_all_drawings_on_a_page_differ():
    every = [
        ident
        for chart in drawn("letter")
        for narrow in (False, True)
        for ident in re.findall(r'id="([^"]+)"', render.svg(chart, narrow=narrow))
    ]
    assert len(every) == len(set(every))


def test_the_arms_chart_plots_the_observed_means_and_intervals():
    chart = drawn("letter")[0]
    assert values(chart.spec, "value") == [0.1204, 0.1003]
    assert values(chart.spec, "low") == pytest.approx([0.1111, 0.0918])
    assert chart.rows[0] == ("Current letter", "4,751", "12.0%", "11.1% to 13.0%")


def test_the_effects_chart_plots_differences_per_thousand_with_target_and_margins():
    chart = next(c for c in drawn("letter") if c.key == "effects")
    primary, counts, seconds, paid, complaint = chart.spec["vconcat"]
    assert primary["data"]["values"][0]["value"] == pytest.approx(-20.1)
    assert primary["data"]["values"][0]["high"] == pytest.approx(-7.9)
    assert rules(primary) == pytest.approx([0, -14])  # fewer is better: the plan looked for -14
    assert rules(paid) == pytest.approx([0, -5])  # more is better: harm is below zero
    assert rules(complaint) == pytest.approx([0, 4])  # fewer is better: harm is above zero
    assert rules(counts) == [0]
    assert seconds["data"]["values"][0]["value"] == pytest.approx(-11.3)
    assert "Fewer is better" in primary["title"]["subtitle"][0]
    assert "More is better" in paid["title"]["subtitle"][0]


def test_the_effects_chart_counts_what_came_out_better_and_worse():
    result = letter_result()
    result["metrics"][1]["contrasts"][0]["difference"] = estimate(0.05, 0.02)
    chart = charts.effects_chart(letter_trial(), result)
    assert chart.conclusion == (
        "1 of 5 comparisons came out clearly better, 1 clearly worse, and 3 not settled."
    )


def test_the_deflection_chart_shows_net_beside_gross_net_first():
    chart = next(c for c in drawn("letter") if c.key == "deflection")
    assert values(chart.spec, "value") == [51.6, 71.0, 44.0]
    assert [" ".join(n) for n in values(chart.spec, "name")] == [
        "One thing to do: net", "One thing to do: gross", "One thing to do: avoidable",
    ]  # fmt: skip
    assert chart.rows[0][3:] == (
        "27% (8% to 46%)", "44 fewer contacts (between 19 and 69 fewer contacts)",
    )  # fmt: skip


def test_where_contacts_went_is_told_by_place_by_day_and_by_what_followed():
    result = letter_result()
    (contrast,) = result["deflection"]["contrasts"]
    contrast["lines"] = {"Benefits": {"estimate": -9.0, "low": -15.0, "high": -3.0}}
    contrast["cumulative"] = [
        {"day": day, "estimate": saved, "low": saved - 20, "high": saved + 20}
        for day, saved in ((1, 60.0), (2, 57.0), (4, 55.0), (28, 51.6))
    ]  # fmt: skip
    result["deflection"]["repeats"] = [
        {"by": "line", "arm": "current", "origin": "Benefits", "next": then, "contacts": 400,
         "share": share, "low": share - 0.02, "high": share + 0.02}
        for then, share in ((None, 0.35), ("Council Tax", 0.18))
    ]  # fmt: skip
    result["deflection"]["repeats"] += [
        {"by": "channel", "arm": "current", "origin": "webchat", "next": then, "contacts": 100,
         "share": share, "low": share - 0.02, "high": share + 0.02}
        for then, share in ((None, 0.31), ("phone", 0.3))
    ]  # fmt: skip
    ledger, days, followed, handed = displaced.charts(letter_trial(), result)

    assert "Benefits with ‘One thing to do’" in ledger.conclusion
    assert ("One thing to do", "Webchat (channel)",
            "4 more contacts (12 more contacts to 4 fewer contacts)") in ledger.rows  # fmt: skip
    assert [row[1] for row in days.rows] == ["1", "2", "28"]
    assert "60 fewer contacts by day 1, 52 fewer contacts by day 28" in days.conclusion
    assert [row[1:] for row in followed.rows] == [
        ("Benefits", "Any line", "35.0% (33.0% to 37.0%)"),
        ("Benefits", "Council Tax", "18.0% (16.0% to 20.0%)"),
    ]
    assert [row[1:] for row in handed.rows] == [
        ("Webchat", "Any channel", "31.0% (29.0% to 33.0%)"),
        ("Webchat", "Phone", "30.0% (28.0% to 32.0%)"),
    ]


def test_gross_is_never_drawn_without_net():
    result = letter_result()
    result["deflection"]["contrasts"][0]["net"] = {"absent": "no-link", "why": "not linked"}
    assert charts.deflection_chart(letter_trial(), result) is None


def test_the_groups_chart_draws_the_pooled_estimates_and_the_whole_trial():
    chart = next(c for c in drawn("letter") if c.key == "segments")
    assert values(chart.spec, "value") == pytest.approx([-26.2 * 0.9, -15.8 * 0.9])
    assert rules(chart.spec["vconcat"][0]) == pytest.approx([0, -20.1])
    assert "same way in every group" in chart.conclusion


def test_each_version_is_beside_its_own_pooled_effect():
    result = donor_result()
    metric = result["metrics"][0]
    alike = {k: v for k, v in metric.items() if k in ("arms", "contrasts")}
    segment = {"by": "region", "level": "north", **copy.deepcopy(alike)}
    for i, contrast in enumerate(segment["contrasts"]):
        contrast["shrunk"] = estimate(0.01 * (i + 1), 0.001)
    metric["segments"] = [{**segment, "shrunk": segment["contrasts"][0]["shrunk"]}]
    chart = charts.segments_chart(donor_trial(), result)
    assert [re.findall(r"^\d+", row[-1]) for row in chart.rows] == [["10"], ["20"], ["30"]]


def test_groups_whose_estimates_differ_in_sign_are_said_to():
    result = letter_result()
    contrast = result["metrics"][0]["segments"][0]["contrasts"][0]
    contrast["difference"] = estimate(0.01, 0.02)
    chart = charts.segments_chart(letter_trial(), result)
    assert "do not all point the same way" in chart.conclusion


@pytest.mark.parametrize(
    ("value", "says"),
    [(-0.02, "came out clearly better"), (0.02, "came out clearly worse"), (0.0, "is not settled")],
)
def test_a_lone_comparison_is_not_counted_out_of_one(value, says):
    result = letter_result()
    result["metrics"] = result["metrics"][:1]
    result["metrics"][0]["contrasts"] = result["metrics"][0]["contrasts"][:1]
    result["metrics"][0]["contrasts"][0]["difference"] = estimate(value, 0.006)
    told = next(c for c in charts.charts(letter_trial(), result) if c.key == "effects")
    assert told.conclusion == f"The one comparison {says}."


def test_a_group_too_small_to_draw_stays_in_the_table():
    result = letter_result()
    small = copy.deepcopy(result["metrics"][0]["segments"][0])
    small |= {"level": "", "shrunk": None}
    small["contrasts"][0]["difference"] = estimate(0.1, 0.4)
    result["metrics"][0]["segments"].append(small)
    chart = charts.segments_chart(letter_trial(), result)
    assert len(values(chart.spec, "value")) == 2
    assert [row[0] for row in chart.rows] == [
        "Has email: no",
        "Has email: yes",
        "Has email: not known",
    ]
    assert "too small to draw" in " ".join(chart.spec["vconcat"][0]["title"]["subtitle"])


def test_an_open_end_draws_the_point_without_an_interval():
    result = copy.deepcopy(letter_result())
    result["metrics"][0]["contrasts"][0]["difference"] |= {"low": None, "high": float("inf")}
    chart = charts.effects_chart(letter_trial(), result)
    row = chart.spec["vconcat"][0]["data"]["values"][0]
    assert "low" not in row
    assert "high" not in row
    assert render.svg(chart).startswith("<svg")


def test_a_chart_is_also_a_picture_for_messages():
    assert render.png(drawn("letter")[0])[:8] == b"\x89PNG\r\n\x1a\n"


def dots(svg):
    """How many dots of each colour an icon array has."""
    paths = re.findall(r'd="([^"]+)" fill="none" stroke="(#[0-9a-f]+)"', svg)
    return {colour: d.count("M") for d, colour in paths}


def test_icon_arrays_have_a_dot_a_unit_and_mark_only_what_is_shown():
    found = natural_frequencies(letter_trial(), letter_result())
    current, new = pictograms(found, settled={"one-thing": "better"})
    assert sum(dots(current.svg).values()) == 1_000
    assert list(dots(current.svg).values()) == [120, 880]
    assert list(dots(new.svg).values()) == [100, 20, 880]
    assert new.marked == "20 fewer"
    unsettled = pictograms(found, settled={"one-thing": "unclear"})[1]
    assert list(dots(unsettled.svg).values()) == [100, 900]
    assert unsettled.marked == ""


def test_icon_arrays_mark_harm_in_another_colour_than_gain():
    found = natural_frequencies(letter_trial(), letter_result())
    gain = pictograms(found, settled={"one-thing": "better"})[1]
    harm = pictograms(found, settled={"one-thing": "worse"})[1]
    assert set(dots(gain.svg)) != set(dots(harm.svg))
