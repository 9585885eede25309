"""Questions outside the plan: only after a look, labelled, counted, adjusted, and in nothing else."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from scipy.stats import false_discovery_control

from analysis import explored, exploring, study
from analysis.report import exploratory
from analysis.tables import Grouped, Key
from trials import accounts, audit, jobs, lifecycle, registry, sessions
from trials.definition import toml
from trials.errors import Conflict, SignpostError
from trials.importing import assignments, outcomes
from trials.settings import Settings
from web.app import create_app
from web.cli.main import program as signpost
from web.jobs import exploring as job_of

KEY = "curious"
TEXT = """
[trial]
key = "curious"
title = "A trial to be curious about"
unit = "account"
starts = 2026-04-01
ends = 2026-04-30
[design]
strata = ["ward"]
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
absent_means = "zero"
[[metrics]]
key = "arrears"
kind = "mean"
source = "outcomes"
better = "lower"
[analysis]
segments = ["band"]
adjust = ["owed"]
"""
WARDS = ("north", "south", "quay")


@pytest.fixture
def people():
    """600 accounts: unit, arm, ward, band, owed, paid, arrears; the letter works in the north."""
    rng = np.random.default_rng(5)
    rows = []
    for i in range(600):
        arm, ward = "ct"[i % 2], WARDS[i // 2 % 3]
        lift = 0.35 * (arm == "t") * (ward == "north")
        rows.append((f"U{i}", arm, ward, "AB"[i % 5 == 0], 100 + i % 97,
                     int(rng.random() < 0.4 + lift), round(float(rng.normal(80, 20)), 2)))  # fmt: skip
    return rows


@pytest.fixture
def live(sqlite_store, hasher, tmp_path, people):
    with sqlite_store.write() as session:
        registry.add(session, toml.read(TEXT), actor="test")
        lifecycle.launch(session, KEY, actor="test")
    given = "".join(f"{u},{a},2026-04-10,{w},{b},{o}\n" for u, a, w, b, o, _, _ in people)
    (tmp_path / "given.csv").write_text(f"unit,arm,assigned_at,ward,band,owed\n{given}")
    told = "".join(f"{u},paid,{p}\n{u},arrears,{x}\n" for u, *_, p, x in people)
    (tmp_path / "told.csv").write_text(f"unit,metric,value\n{told}")
    assignments.add(sqlite_store, KEY, tmp_path / "given.csv", hasher=hasher, actor="test")
    outcomes.add(sqlite_store, KEY, tmp_path / "told.csv", hasher=hasher, actor="test")
    return sqlite_store


def analyse(store, cutoff="2026-06-01"):
    return study.analyse(store, study.Order(key=KEY, cutoff=study.cutoff_of(cutoff),
                                            school="frequentist"))  # fmt: skip


def ask(store, measure, segment=""):
    return exploring.explore(store, exploring.Order(key=KEY, measure=measure, segment=segment))


def taken(store):
    with store.read() as session:
        return explored.taken(session, KEY)


def test_nothing_is_explored_before_the_look_and_nothing_is_kept_of_the_try(live):
    with pytest.raises(Conflict, match="no result yet"):
        ask(live, "paid", "ward")
    analyse(live, "2026-04-20")
    with pytest.raises(Conflict, match="withheld until the planned end on 30 April 2026"):
        ask(live, "paid", "ward")
    assert taken(live) == []


def test_an_answer_is_the_difference_in_each_group_adjusted_for_all_that_was_asked(live, people):
    before = analyse(live)
    assert ask(live, "paid", "ward") == 1
    assert ask(live, "arrears", "owed") == 2
    assert ask(live, "paid", "ward") == 1  # the same question of the same result
    second, first = taken(live)
    found = {g["level"]: g["contrasts"][0]["difference"] for g in first.document["groups"]}
    for ward in WARDS:
        paid = {a: [p for _, arm, w, _, _, p, _ in people if (arm, w) == (a, ward)] for a in "ct"}
        by_hand = np.mean(paid["t"]) - np.mean(paid["c"])
        # Adjusted for what was owed, which here has nothing to do with paying.
        assert found[ward]["estimate"] == pytest.approx(by_hand, abs=0.02)
        assert found[ward]["level"] > 0.95
    every = [c["difference"] for one in (first, second) for g in one.document["groups"]
             for c in g["contrasts"]]  # fmt: skip
    every += [*first.document["interactions"], *second.document["interactions"]]
    a, b, c = np.quantile([p[4] for p in people], (0.25, 0.5, 0.75), method="inverted_cdf")
    assert [g["level"] for g in second.document["groups"]] == [
        f"up to {a}", f"over {a}, up to {b}", f"over {b}, up to {c}", f"over {c}"
    ]  # fmt: skip
    assert len(every) == 3 + 4 + 2
    wanted = false_discovery_control([e["p"] for e in every])
    assert [e["p_adjusted"] for e in every] == pytest.approx(list(wanted))
    with live.read() as session:
        noted = [e for e in audit.history(session, KEY) if e.action == "explored outside the plan"]
        assert registry.latest_result(session, KEY) == {
            k: v for k, v in before.items() if k != "bayesian"
        }
    assert [(e.detail["measure"], e.detail["segment"]) for e in noted] == [
        ("paid", "ward"), ("arrears", "owed")
    ]  # fmt: skip


def test_a_number_of_which_most_are_alike_is_grouped_by_what_it_is():
    counts = np.array([60.0, 20, 12, *[1.0] * 8])
    table = Grouped(arms=("c", "t"), control=0, weights=(1, 1), arm=np.zeros(11, int), n=counts,
                    y=counts * 0, yy=counts * 0)  # fmt: skip
    key = Key(name="calls", codes=np.arange(11), levels=tuple(map(str, range(11))))
    found = exploring._levels("calls", replace(table, segments={"calls": key}))
    assert found.levels == ("0", "1", "over 1")
    assert list(found.codes) == [0, 1, *[2] * 9]


@pytest.mark.parametrize(("measure", "segment", "says"), [
    ("paid", "", "in the plan"), ("paid", "band", "in the plan"),
    ("paid", "postcode", "not kept"), ("pays", "ward", "did you mean 'paid'"),
])  # fmt: skip
def test_a_question_of_the_plan_or_of_what_was_not_kept_is_refused(measure, segment, says):
    with pytest.raises(SignpostError, match=says):
        explored.question(toml.read(TEXT), measure, segment)


def client_of(store, folder, role):
    made = Settings(home=folder, database_url=f"sqlite:///{store.url.database}",
                    organisation="W", secret_key="s" * 64, identifier_key=b"k" * 64)  # fmt: skip
    with store.write() as session:
        user = accounts.add(session, f"{role}@b.example", name="", role=role, password=None,
                            actor="t")  # fmt: skip
        token = sessions.begin(session, user.id)
    client = create_app(made).test_client()
    with client.session_transaction() as held:
        held.update(sid=token, seen=int(time.time()))
    return client


def test_an_analyst_asks_on_the_page_a_worker_answers_and_no_other_page_repeats_it(live, tmp_path):
    analyst = client_of(live, tmp_path, "analyst")
    analyse(live, "2026-04-20")
    page = analyst.get(f"/trials/{KEY}/exploratory").text
    assert "Results are withheld until the planned end" in page
    assert 'name="measure"' not in page
    analyse(live)
    page = analyst.get(f"/trials/{KEY}/exploratory").text
    assert "No question outside the plan has been asked" in page
    form = dict(re.findall(r'name="(csrf_token|once)"[^>]*value="([^"]+)"', page))
    sent = form | {"measure": "paid", "segment": "ward"}
    assert analyst.post(f"/trials/{KEY}/exploratory", data=sent).status_code == 303
    with live.write() as session:
        job = jobs.claim(session, "w")
    assert job_of.explore(job, live, lambda *_: None) == {"trial": KEY, "question": 1}
    with live.write() as session:
        jobs.finish(session, job, {"trial": KEY, "question": 1})
    page = analyst.get(f"/trials/{KEY}/exploratory").text
    assert "1 question outside the plan has been asked of this trial so far" in page
    caption = re.search(r"<caption[^>]*>([^<]+)", page).group(1)
    assert caption == "Exploratory: not in the plan. Paid, by ward"
    assert "The effect differs by ward more than chance would explain" in page
    assert "Ward: north" in page
    drawing = BeautifulSoup(page, "html.parser").select_one("figure.sp-chart")
    assert drawing.h3.text == "Exploratory: the difference in each group"
    says = drawing.select_one("figcaption p").text
    assert says.startswith("1 of 3 ranges lies wholly on one side of no difference")
    assert "not a finding of this one" in says
    for svg in drawing.select("svg"):
        shown = svg.get_text(" ")
        assert "Exploratory: not in the plan" in " ".join(shown.split())
        assert all(f"Ward: {ward}" in shown for ward in WARDS)
    assert len(drawing.select("svg")) == 2
    url = f"sqlite:///{live.url.database}"
    told = CliRunner().invoke(signpost, ["--database", url, "explore", KEY, "--measure", "paid",
                                         "--by", "ward", "--json"])  # fmt: skip
    assert json.loads(told.output)["label"] == explored.LABEL
    (asked,) = taken(live)
    at_a_prompt = exploratory.told(toml.read(TEXT), replace(asked, actor="cli:root"))
    assert at_a_prompt.asked.startswith("Question 1, asked by root on ")
    officer = client_of(live, tmp_path, "officer")
    assert officer.get(f"/trials/{KEY}/exploratory").status_code == 403
    results = officer.get(f"/trials/{KEY}/results").text
    assert "One question outside the plan has been asked of these data." in results
    for part in ("results", "decision", "case", "papers"):
        assert "Ward: " not in analyst.get(f"/trials/{KEY}/{part}").text
