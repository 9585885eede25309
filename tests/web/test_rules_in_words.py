"""Every rule a draft may break is told with the wizard's question and step, and no key of the file."""

from __future__ import annotations

import re

import pytest
from sample import letter_trial

from trials.drafting import content
from web.drafting import plainly


@pytest.mark.parametrize(("values", "step", "says"), [
    ({"arms.one-thing": None}, "versions", "one version only"),
    ({"design.kind": "stratified", "design.strata": None}, "draw", "name the columns"),
    ({"design.kind": "cluster"}, "draw", "name what goes together"),
    ({"analysis.alpha": 2.0}, "safeguards", "How often a difference may be found"),
    ({"trial.mechanism": "magic"}, "idea", "How should it work"),
])  # fmt: skip
def test_a_broken_rule_names_the_question_and_not_the_file(values, step, says):
    draft = content.changed(content.from_trial(letter_trial()), values)
    found = plainly.problems(draft)
    assert (found[0].step, says in found[0].says) == (step, True), found
    assert all(one.file for one in found)
    assert not any(re.search(r"\[|_|=|'", one.says) for one in found)
