"""``signpost power`` as the contract describes it."""

import json

import pytest

from web.cli.main import main


def run(capsys, *arguments):
    try:
        main(["power", *arguments])
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_contracts_example(capsys):
    code, out, _ = run(
        capsys, "--kind", "proportion", "--baseline", "0.31", "--mde", "0.05", "--weekly", "90",
        "--json",
    )  # fmt: skip
    answer = json.loads(out)
    assert code == 0
    assert (answer["n_per_arm"], answer["total"], answer["weeks"]) == (1279, 2558, 29)
    assert answer["design_effect"] == 1.0


def test_ratio_clusters_and_looks_together(capsys):
    code, out, _ = run(
        capsys, "--baseline", "0.31", "--mde", "0.05", "--arms", "3", "--ratio", "1,1,2",
        "--icc", "0.02", "--cluster-size", "12", "--cluster-cv", "0.5", "--looks", "3", "--json",
    )  # fmt: skip
    answer = json.loads(out)
    assert code == 0
    assert len(answer["n_by_arm"]) == 3
    assert answer["design_effect"] == pytest.approx(1.28)


def test_a_person_reads_a_sentence_first(capsys):
    _, out, _ = run(capsys, "--baseline", "0.31", "--mde", "0.05", "--weekly", "90")
    assert "At 90 units a week you need about 29 weeks." in out.splitlines()[0]


def test_simulation_is_reported_with_its_error(capsys):
    _, out, _ = run(capsys, "--baseline", "0.31", "--mde", "0.1", "--simulate", "100", "--json")
    seen = json.loads(out)["simulated"]
    assert (seen["n_sims"], seen["seed"]) == (100, 1)
    assert 0.02 < seen["mcse"] < 0.06


@pytest.mark.parametrize(
    "arguments",
    [
        ["--baseline", "0.31", "--mde", "0.05", "--ratio", "1,x"],
        ["--baseline", "0.31", "--mde", "0.05", "--guardrail", "0.9"],
        ["--baseline", "0.31", "--mde", "0.05", "--guardrail", "0.9:0.1:1:2"],
        ["--baseline", "31", "--mde", "0.05"],
        ["--periods", "20"],
    ],
)
def test_a_bad_option_is_one_line(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
