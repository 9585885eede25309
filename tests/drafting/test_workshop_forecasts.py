"""What was expected in the workshop, read line by line, and told where it cannot be scored."""

import pytest

from trials.drafting import forecasts
from trials.drafting.forecasts import Said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Asha, 70", Said("Asha", 0.7)),
        ("Asha, 70%", Said("Asha", 0.7)),
        ("Ben of Waste, 60% likely better", Said("Ben of Waste", 0.6)),
        ("Cy, 2 points fewer calls", Said("Cy", None, -0.02)),
        ("Cy, 55 per cent, 1.5 points more", Said("Cy", 0.55, 0.015)),
    ],
)
def test_a_line_is_a_name_with_a_chance_or_points_or_both(line, said):
    assert forecasts.parse(line) == ([said], [])


@pytest.mark.parametrize("line", ["Asha", "Asha, yes", "Asha, 170%", ", 70%", "Asha, 70%, 60%"])
def test_a_line_that_cannot_be_scored_is_named_by_its_number(line):
    found, unread = forecasts.parse(f"Ben, 50%\n\n{line}")
    assert [said.who for said in found] == ["Ben"]
    assert [one.line for one in unread] == [3]


def test_nobody_forecasts_twice():
    found, unread = forecasts.parse("Ben, 50%\nben, 90%")
    assert (len(found), unread[0].says) == (1, "ben is there twice")
