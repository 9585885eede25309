"""Per-arm files, the guard against formulas, and Notify's form."""

import csv
import string
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials import notify
from trials.armfiles import open_arm_files
from trials.csvsafe import guard
from trials.definition import wording
from trials.definition.model import Arm
from trials.errors import Invalid, Unavailable

ARMS = (
    Arm(key="current", control=True, wording="Your council tax is overdue."),
    Arm(key="one-thing", wording="{{ name }}, pay {{ amount | money }}."),
)
COLUMNS = ["unit", "name", "amount"]


def row(unit="A1", name="Anne", amount="12.5"):
    return {"unit": unit, "name": name, "amount": amount}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_each_arm_gets_its_units_with_every_column_and_the_rendered_wording(tmp_path):
    with open_arm_files(tmp_path / "out", ARMS, COLUMNS) as files:
        files.write(1, row())
        files.write(0, row("A2", "Bob, senior"))
        files.write(-1, row("A3"))
        assert not list((tmp_path / "out").glob("*.csv"))
    assert [p.name for p in files.paths] == ["current.csv", "one-thing.csv"]
    assert read(files.paths[0]) == [
        ["unit", "name", "amount", "arm", "wording"],
        ["A2", "Bob, senior", "12.5", "current", "Your council tax is overdue."],
    ]
    assert read(files.paths[1])[1] == ["A1", "Anne", "12.5", "one-thing", "Anne, pay £12.50."]
    assert files.rows() == {"current": 1, "one-thing": 1}
    assert files.held_out == 1


def test_an_arm_without_units_has_a_file_with_a_header(tmp_path):
    with open_arm_files(tmp_path, ARMS, COLUMNS) as files:
        files.write(1, row())
    assert len(read(tmp_path / "current.csv")) == 1


def test_an_error_half_way_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "current.csv").write_text("from before")

    def fails_half_way():
        with open_arm_files(tmp_path, ARMS, COLUMNS) as files:
            files.write(0, row())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_half_way()
    assert [p.name for p in tmp_path.iterdir()] == ["current.csv"]
    assert (tmp_path / "current.csv").read_text() == "from before"


def test_rows_that_cannot_be_rendered_are_listed_by_line_and_nothing_is_written(tmp_path):
    def write():
        with open_arm_files(tmp_path, ARMS, COLUMNS) as files:
            for line, amount in [(2, "12"), (7, "twelve"), (9, "")]:
                files.write(1, row(amount=amount), line=line)

    with pytest.raises(Invalid) as refusal:
        write()
    assert [str(p)[:28] for p in refusal.value.problems] == [
        "line 7: column amount is not",
        "line 9: column amount is not",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_move_that_fails_puts_back_what_was_there(tmp_path):
    (tmp_path / "current.csv").write_text("from before")
    (tmp_path / "one-thing.csv").mkdir()
    (tmp_path / "one-thing.csv" / "kept").touch()
    with (
        pytest.raises(Unavailable, match=r"one-thing\.csv is a folder"),
        open_arm_files(tmp_path, ARMS, COLUMNS) as files,
    ):
        files.write(0, row())
    assert (tmp_path / "current.csv").read_text() == "from before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["current.csv", "one-thing.csv"]


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(Unavailable, match="cannot write to"),
        open_arm_files(tmp_path / "file" / "out", ARMS, COLUMNS),
    ):
        pass


def test_unusable_wordings_and_columns_are_refused_before_anything_is_written(tmp_path):
    arms = (Arm(key="a", wording="{{ nam }}"), Arm(key="b", wording="{{ 1 + 1 }}"))
    with pytest.raises(Invalid) as refusal, open_arm_files(tmp_path / "out", arms, COLUMNS):
        pass
    assert [p.place.split(",")[0] for p in refusal.value.problems] == ["arm a", "arm b"]
    assert not (tmp_path / "out").exists()
    with (
        pytest.raises(Invalid, match="column Arm"),
        open_arm_files(tmp_path, ARMS, ["unit", "Arm"]),
    ):
        pass


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+A1", "-A1", "@SUM(1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("x")', "-2+3+cmd|' /C calc'!A0",
     "＝1", "＋A1", "－A1", "＠x", "+1+cmd", "-", "+", "--1", "- 1x"],
)  # fmt: skip
def test_a_cell_a_spreadsheet_would_run_gets_an_apostrophe(cell):
    assert guard(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    ["-12", "-12.50", "+3", "-1,234.5", "-1e5", "-5%", "+447700900123", "+44 (0)7700 900123", "12", "", "a=b", "07700-900123"],
)  # fmt: skip
def test_numbers_and_telephone_numbers_stay_as_they_are(cell):
    assert guard(cell) == cell


@given(st.text())
def test_no_guarded_cell_begins_as_a_formula_with_a_letter_in_it(text):
    safe = guard(text)
    assert safe.endswith(text)
    if safe[:1] in "=+-@\t\r\n" and safe:
        assert not set(safe) & set(
            string.ascii_letters.replace("e", "").replace("E", "") + "=@|!'\""
        )


def test_formulas_are_guarded_in_headings_cells_and_wording(tmp_path):
    arms = (Arm(key="a", wording="{{ name }}"),)
    with open_arm_files(tmp_path, arms, ["name", "=x", "n"]) as files:
        files.write(0, {"name": "=cmd", "=x": "@y", "n": "-4"})
    assert read(tmp_path / "a.csv") == [
        ["name", "'=x", "n", "arm", "wording"],
        ["'=cmd", "'@y", "-4", "a", "'=cmd"],
    ]


def test_memory_does_not_grow_with_the_list(tmp_path):
    def peak(rows):
        tracemalloc.start()
        with open_arm_files(tmp_path / str(rows), ARMS, COLUMNS) as files:
            for i in range(rows):
                files.write(i % 2, row(f"A{i}"))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(100)
    assert peak(20_000) < peak(2_000) + 200_000


LETTER = [
    "unit",
    "Address_Line_1",
    "address line 2",
    "ADDRESS-LINE-3",
    "Postcode",
    "name",
    "amount",
    "debit",
]


def letter(**changes):
    base = {"unit": "A1", "Address_Line_1": "A Jones", "address line 2": "1 High Street", "ADDRESS-LINE-3": "",
            "Postcode": "HP19 8FF", "name": "Anne", "amount": "12.5", "debit": "yes"}  # fmt: skip
    return {**base, **changes}


def test_notify_letters_have_recipient_columns_and_one_column_for_each_placeholder(tmp_path):
    text = "{{ name }}: {{ amount | money }}. {% if debit == 'yes' %}We collect.{% else %}Pay {{ amount }}.{% endif %} {{ name }}"
    with open_arm_files(
        tmp_path, (Arm(key="a", wording=text),), LETTER, "notify", channel="letter"
    ) as files:
        files.write(0, letter())
        files.write(0, letter(debit="no", name="=Bob"))
    assert read(tmp_path / "a.csv") == [
        [
            "address line 1",
            "address line 2",
            "address line 3",
            "postcode",
            "name",
            "amount money",
            "part 1",
        ],
        ["A Jones", "1 High Street", "", "HP19 8FF", "Anne", "£12.50", "We collect."],
        ["A Jones", "1 High Street", "", "HP19 8FF", "'=Bob", "£12.50", "Pay 12.5."],
    ]
    assert (
        tmp_path / "a-template.txt"
    ).read_text() == "((name)): ((amount money)). ((part 1)) ((name))"


def test_a_notify_file_filled_in_gives_the_wording_that_csv_gives():
    text = "Dear {{ name | title }}, {% if debit %}{{ amount | money }} on {{ debit }}{% endif %} to {{ address_line_2 }}"
    columns = [c.lower().replace("_", " ").replace("-", " ") for c in LETTER]
    cells = dict(zip(columns, letter().values(), strict=True))
    headings = notify.recipients(columns, "letter")
    made = notify.to_notify(text, columns, headings)
    values = {f.heading: f.value(cells) for f in made.fields} | {
        h: cells[c] for h, c in headings.items()
    }
    filled = made.text
    for heading, value in values.items():
        filled = filled.replace(f"(({heading}))", value)
    assert filled == wording.compile(text, columns).render(cells)


def test_telephone_numbers_stay_usable_in_notify_files(tmp_path):
    arms = (Arm(key="a", wording="Hello"),)
    with open_arm_files(tmp_path, arms, ["unit", "phone"], "notify") as files:
        files.write(0, {"unit": "1", "phone": "+44 7700 900123"})
    assert read(tmp_path / "a.csv") == [["phone number"], ["+44 7700 900123"]]


def test_a_notify_file_is_cut_into_parts_of_at_most_100_000_rows(tmp_path, monkeypatch):
    assert notify.MOST_ROWS == 100_000
    monkeypatch.setattr(notify, "MOST_ROWS", 3)
    with open_arm_files(tmp_path, (Arm(key="a", wording="Hi"),), ["email"], "notify") as files:
        for i in range(7):
            files.write(0, {"email": f"p{i}@example.org"})
    assert [p.name for p in files.paths] == ["a-1.csv", "a-2.csv", "a-3.csv", "a-template.txt"]
    assert [len(read(tmp_path / f"a-{i}.csv")) for i in (1, 2, 3)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Address_Line_1": "", "address line 2": ""}, "has 1 lines"),
        ({"Postcode": "HP19 8F"}, "neither a UK postcode nor a country"),
        ({"address line 2": "(flat 2)"}, "begins with a sign"),
        ({"Address_Line_1": "No fixed abode"}, "no fixed abode"),
        ({"Address_Line_1": "NFA"}, "no fixed abode"),
        ({"Address_Line_1": "***"}, "need letters or numbers"),
    ],
)
def test_addresses_that_notify_would_refuse_are_refused_by_line(tmp_path, changes, says):
    with (
        pytest.raises(Invalid, match=f"line 2: .*{says}"),
        open_arm_files(tmp_path, (Arm(key="a", wording="Hi"),), LETTER, "notify") as files,
    ):
        files.write(0, letter(**changes))


def test_a_list_without_anything_to_send_to_is_refused():
    with pytest.raises(Invalid, match="no column email address"):
        notify.medium_for(["unit", "phone"], "email")
    assert notify.medium_for(["unit", "E-mail address", "phone number"], "sms") == "sms"


def test_a_notify_template_becomes_a_wording():
    text = "Dear ((First name)), ((show debit??we collect it)) by ((due))"
    made = wording.compile(notify.from_notify(text), ["First name", "show debit", "due"])
    cells = {"First name": "Anne", "show debit": "Yes", "due": "May"}
    assert made.render(cells) == "Dear Anne, we collect it by May"
    assert made.render({**cells, "show debit": "no"}) == "Dear Anne,  by May"
