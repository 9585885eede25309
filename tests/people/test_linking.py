"""People from identifiers: against a plain union-find, and the rule of shared identifiers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trials.people.identifiers import KINDS
from trials.people.link_rates import ArmLinks, ArmOutcomes, bounds, compare
from trials.people.linking import encode, link, match


def digest(name):
    """Digests whose last bytes are zero, the case in which padded strings could be confused."""
    return None if name is None else name.encode().ljust(16, b"\0")


def coded(**columns):
    return encode({kind: [digest(v) for v in values] for kind, values in columns.items()})


def groups(person):
    """Rows by person, as sets; rows without a person stand alone and are left out."""
    found = {}
    for row, number in enumerate(person):
        if number >= 0:
            found.setdefault(int(number), set()).add(row)
    return sorted(map(frozenset, found.values()), key=min)


def test_rows_that_share_an_identifier_are_one_person_through_any_chain():
    rows = coded(phone=["p1", "p1", None, "p2", None], email=["e1", None, "e1", "e2", None])
    done = link(rows)
    assert done.person.tolist() == [0, 0, 0, 1, -1]
    assert [KINDS[t] if t >= 0 else None for t in done.tier] == [
        "phone",
        "phone",
        "email",
        "phone",
        None,
    ]


def test_the_strongest_kind_names_the_tier():
    rows = coded(session=["s", "s"], uprn=["u", None], account=["a", None])
    assert [KINDS[t] for t in link(rows).tier] == ["account", "session"]


def test_a_switchboard_joins_nobody():
    """A number met with four accounts is shared (default 3); with three it is one person's."""
    rows = coded(phone=["sw"] * 4 + ["mine"] * 3, account=["a", "b", "c", "d", "x", "y", "z"])
    done = link(rows)
    assert done.person.tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert len(done.shared["phone"]) == 1
    assert link(rows, shared_beyond=4).person.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_one_caller_ringing_a_hundred_times_is_not_a_shared_line():
    rows = coded(phone=["p"] * 100, account=["a"] * 100)
    assert set(link(rows).person.tolist()) == {0}


def test_a_row_with_nothing_but_a_shared_line_stays_unlinked():
    rows = coded(phone=["sw"] * 5, account=["a", "b", "c", "d", None])
    assert link(rows).person.tolist() == [0, 1, 2, 3, -1]
    assert link(rows).tier[-1] == -1


def test_units_count_as_people_and_bulk_callers_are_left_out_by_list():
    rows = coded(phone=["p"] * 4)
    assert set(link(rows, units=np.array([1, 2, 3, 4])).person.tolist()) == {-1}
    assert set(link(rows, units=np.array([1, 1, 2, -1])).person.tolist()) == {0}
    assert set(link(rows, excluded={"phone": {digest("p")}}).person.tolist()) == {-1}


def test_known_people_keep_their_numbers_and_two_who_turn_out_one_are_merged():
    known = {"phone": {digest("p1"): 7}, "email": {digest("e2"): 3, digest("e9"): 5}}
    rows = coded(phone=["p1", "p2", "p1", "p3"], email=[None, "e2", "e2", None])
    done = link(rows, known=known, first_number=10)
    assert done.person.tolist() == [3, 3, 3, 10]
    assert done.merged == {7: 3}
    assert done.of["phone"][rows.codes["phone"][0]] == 3


def test_nothing_at_all_is_linked_to_nobody():
    assert link(encode({})).person.tolist() == []
    assert link(coded(phone=[None, None])).person.tolist() == [-1, -1]
    with pytest.raises(ValueError, match="length"):
        coded(phone=["a"], email=[])


def plain_union_find(columns, rows):
    parent = {}

    def root(x):
        while parent[x] != x:
            x = parent[x]
        return x

    for row in range(rows):
        names = [(k, v[row]) for k, v in columns.items() if v[row] is not None]
        for name in names:
            parent.setdefault(name, name)
        for name in names[1:]:
            parent[root(name)] = root(names[0])
    found = {}
    for row in range(rows):
        names = [(k, v[row]) for k, v in columns.items() if v[row] is not None]
        if names:
            found.setdefault(root(names[0]), set()).add(row)
    return sorted(map(frozenset, found.values()), key=min)


NAME = st.one_of(st.none(), st.sampled_from([f"n{i}" for i in range(8)]))


@given(st.lists(st.tuples(NAME, NAME, NAME), max_size=25))
@settings(max_examples=150, deadline=None)
def test_linking_equals_a_plain_union_find(rows):
    names = ("account", "phone", "uprn")
    columns = {k: [r[i] for r in rows] for i, k in enumerate(names)}
    done = link(
        encode({k: [digest(v) for v in c] for k, c in columns.items()}), shared_beyond=10**6
    )
    assert groups(done.person) == plain_union_find(columns, len(rows))


@given(st.lists(st.tuples(NAME, NAME, NAME), max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_people_do_not_depend_on_the_order_of_the_rows(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    names = ("account", "phone", "email")

    def people(some):
        return link(encode({k: [digest(r[i]) for r in some] for i, k in enumerate(names)})).person

    straight, mixed = people(rows), people([rows[i] for i in order])
    back = np.full(len(rows), -1)
    back[order] = mixed
    assert groups(straight) == groups(back)


@given(st.lists(st.tuples(NAME, NAME), min_size=1, max_size=20), st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_linking_in_two_goes_gives_the_people_of_one_go(rows, cut):
    """With nobody shared, an import after another ends where one import of both would."""
    names = ("phone", "email")
    limit = 10**6

    def columns(some):
        return encode({k: [digest(r[i]) for r in some] for i, k in enumerate(names)})

    whole = link(columns(rows), shared_beyond=limit).person
    first = columns(rows[:cut])
    done = link(first, shared_beyond=limit)
    known = {k: {first.digest(k, c): int(n) for c, n in enumerate(done.of[k])} for k in names}
    later = link(columns(rows[cut:]), known=known, shared_beyond=limit,
                 first_number=int(done.person.max(initial=-1)) + 1)  # fmt: skip
    person = [later.merged.get(int(n), int(n)) for n in done.person] + later.person.tolist()
    assert groups(person) == groups(whole)


def test_contacts_find_their_unit_by_the_strongest_identifier_that_decides():
    units = {
        "account": [digest("a1"), digest("a2"), None],
        "phone": [digest("home"), digest("home"), digest("p3")],
    }
    contacts = {"account": [digest("a1"), None, None, None, digest("zz")],
                "phone": [digest("p3"), digest("home"), digest("p3"), None, digest("p3")]}  # fmt: skip
    done = match(contacts, units, np.array([10, 20, 30]))
    assert done.unit.tolist() == [10, -1, 30, -1, 30]
    assert [KINDS[t] if t >= 0 else None for t in done.tier] == [
        "account",
        None,
        "phone",
        None,
        "phone",
    ]
    assert done.ambiguous.tolist() == [False, True, False, False, False]
    out = match(contacts, units, np.array([10, 20, 30]), excluded={"phone": {digest("p3")}})
    assert out.unit.tolist() == [10, -1, -1, -1, -1]


def arms(*rates, n=1000):
    return [ArmLinks(arm=f"arm-{i}", total=n, by_tier={"phone": round(n * r * 0.8), "email": round(n * r * 0.2)})
            for i, r in enumerate(rates)]  # fmt: skip


def test_arms_that_link_alike_pass_and_arms_that_do_not_are_named():
    alike = compare(arms(0.83, 0.83))
    assert not alike.differs
    assert alike.p == pytest.approx(1.0)
    differ = compare(arms(0.83, 0.75))
    assert differ.differs
    assert differ.widest == ("arm-0", "arm-1", pytest.approx(0.08))
    assert differ.p == pytest.approx(
        stats.chi2_contingency([[830, 750], [170, 250]], correction=False).pvalue
    )


def test_a_shift_between_tiers_shows_even_if_the_rate_is_the_same():
    same = [ArmLinks(arm="a", total=1000, by_tier={"account": 600, "session": 200}),
            ArmLinks(arm="b", total=1000, by_tier={"account": 500, "session": 300})]  # fmt: skip
    done = compare(same)
    assert done.p == pytest.approx(1.0)
    assert done.p_tiers < 1e-5


def test_nothing_to_compare_is_no_test():
    assert compare(arms(1.0, 1.0)) is None
    assert compare(arms(0.5)) is None


def test_the_link_test_keeps_its_size():
    """1,000 pairs of arms linked alike: 1% are flagged, Monte Carlo error 0.31 points."""
    rng = np.random.default_rng(5)
    linked = rng.binomial(800, 0.83, size=(1000, 2))
    flags = [
        compare(
            [ArmLinks(arm=str(i), total=800, by_tier={"phone": int(k)}) for i, k in enumerate(pair)]
        ).differs
        for pair in linked
    ]
    assert np.mean(flags) == pytest.approx(0.01, abs=0.01)


@given(
    st.integers(1, 30),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 30),
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_unlinked_did_the_effect_is_within_the_bounds(
    n, linked, events, t_missed, c_missed
):
    linked = min(linked, n)
    events = min(events, linked)
    treatment, control = (
        ArmOutcomes(units=n, linked=linked, events=events),
        ArmOutcomes(units=n, linked=n, events=n // 2),
    )
    done = bounds(treatment, control)
    truth = (events + min(t_missed, n - linked)) / n - (n // 2) / n
    assert done.low - 1e-12 <= truth <= done.high + 1e-12
    assert done.ci_low <= done.low + 1e-12
    assert done.ci_high >= done.high - 1e-12


def test_with_everyone_linked_the_bounds_are_the_effect_and_its_usual_interval():
    done = bounds(
        ArmOutcomes(units=1000, linked=1000, events=100),
        ArmOutcomes(units=1000, linked=1000, events=120),
    )
    assert done.low == done.high == pytest.approx(-0.02)
    se = math.sqrt(0.1 * 0.9 / 1000 + 0.12 * 0.88 / 1000)
    assert (done.ci_low, done.ci_high) == pytest.approx(
        (-0.02 - 1.959964 * se, -0.02 + 1.959964 * se), abs=1e-6
    )
    assert done.trimmed == pytest.approx((-0.02, -0.02))


def test_lee_bounds_of_a_worked_example():
    """Linked 80% and 60%: a quarter of the treated linked is trimmed. Mean 0.5 becomes 1/3 to 2/3."""
    done = bounds(
        ArmOutcomes(units=100, linked=80, events=40), ArmOutcomes(units=100, linked=60, events=30)
    )
    assert done.trimmed == pytest.approx((1 / 3 - 0.5, 2 / 3 - 0.5))
