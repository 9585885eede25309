"""Trials and result documents such as the analysis writes, for tests of words, charts and pages."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

from trials.definition.model import About, Analysis, Arm, Design, Metric, Trial

CURRENT = """Dear {{ name }},

Our records show that your council tax instalment has not been paid. You should make payment
within 7 days. If you fail to do so the council may apply for a liability order.

Telephone 01632 960 123 if you have any query."""
ONE_THING = """Dear {{ name }},

Pay £{{ amount }} by {{ due }}. You can do it now at wychbridge.example/pay.

That is all you need to do. If you have already paid, thank you: please ignore this letter.

Telephone 01632 960 123 if you cannot pay or think this is wrong."""


def letter_trial() -> Trial:
    """Two letters, five metrics, strata and a segment."""
    return Trial(
        about=About(
            key="council-tax-reminder",
            title="Council tax reminder: one thing to do",
            area="other-correspondence",
            channel="letter",
            service="Council Tax",
            hypothesis="Leading with the one thing to do lowers clarification calls within 14 days.",
            mechanism="expectation",
            techniques=("easy:simplify", "attractive:salience"),
            unit="account",
            owner="improvement@wychbridge.example",
            starts=date(2026, 4, 1),
            ends=date(2026, 6, 30),
        ),
        design=Design(kind="stratified", strata=("band", "instalments"), seed=20260401),
        arms=(
            Arm(key="current", title="Current letter", control=True, wording=CURRENT),
            Arm(key="one-thing", title="One thing to do", wording=ONE_THING),
        ),
        metrics=(
            Metric(
                key="contact-14d", title="Any agent-handled contact within 14 days",
                role="primary", kind="proportion", window=14 * 86400, where={"handled": True},
                better="lower", mde=0.014,
            ),
            Metric(
                key="contacts-28d", title="Agent-handled contacts within 28 days",
                role="secondary", kind="count", window=28 * 86400, better="lower",
            ),
            Metric(
                key="handling-28d", title="Adviser time within 28 days", role="secondary",
                kind="mean", window=28 * 86400, value="handle_seconds", better="lower",
            ),
            Metric(
                key="paid-14d", title="Paid within 14 days", role="guardrail", kind="proportion",
                source="outcomes", better="higher", margin=0.005,
            ),
            Metric(
                key="complaint-28d", title="A complaint within 28 days", role="guardrail",
                kind="proportion", source="outcomes", better="lower", margin=0.004,
            ),
        ),
        analysis=Analysis(segments=("has_email",), rope=(-0.002, 0.002)),
    )  # fmt: skip


def estimate(value: float, half: float, **more: Any) -> dict[str, Any]:
    """An estimate of the result document with a symmetric interval."""
    return {
        "estimate": value, "se": half / 1.96, "low": value - half, "high": value + half,
        "df": None, "p": 0.001 if abs(value) > half else 0.4, "p_adjusted": None, "level": 0.95,
        "method": "difference in means within strata, HC2 standard errors", **more,
    }  # fmt: skip


def _arm(arm: str, n: int, mean: float, half: float, sd: float) -> dict[str, Any]:
    return {
        "arm": arm, "n": n, "clusters": None, "mean": mean, "sd": sd,
        "low": mean - half, "high": mean + half,
    }  # fmt: skip


def _metric(key: str, role: str, kind: str, arms: list[Any], difference: Any, **more: Any) -> Any:
    contrast = {
        "arm": "one-thing", "versus": "current", "difference": difference,
        "ratio": {"estimate": 0.83, "low": 0.74, "high": 0.93},
        "unadjusted": difference, "randomisation_p": 0.0009, "guardrail": None,
        "posterior": {
            "mean": -0.0192, "sd": 0.006, "low": -0.031, "high": -0.0075,
            "probability_better": 0.9994, "probability_in_rope": 0.002, "expected_loss": 0.00001,
            "model": "normal", "rhat": 1.0, "ess": 3900, "divergences": 0,
        } if role == "primary" else None,
    }  # fmt: skip
    return {
        "key": key, "role": role, "kind": kind, "arms": arms, "contrasts": [contrast],
        "segments": [], **more,
    }  # fmt: skip


def letter_result() -> dict[str, Any]:
    """A clear improvement with guardrails kept: the finished trial."""
    metrics = [
        _metric(
            "contact-14d", "primary", "proportion",
            [_arm("current", 4751, 0.1204, 0.0093, 0.3254),
             _arm("one-thing", 4749, 0.1003, 0.0085, 0.3004)],
            estimate(-0.0201, 0.0122, p=0.0012, p_adjusted=0.0036),
        ),
        _metric(
            "contacts-28d", "secondary", "count",
            [_arm("current", 4751, 0.2710, 0.021, 0.74), _arm("one-thing", 4749, 0.2194, 0.018, 0.66)],
            estimate(-0.0516, 0.0279, p=0.0003, p_adjusted=0.0006),
        ),
        _metric(
            "handling-28d", "secondary", "mean",
            [_arm("current", 4751, 151.2, 13.1, 460.0), _arm("one-thing", 4749, 139.9, 12.4, 436.0)],
            estimate(-11.3, 18.0, p=0.2187, p_adjusted=0.2187),
        ),
        _metric(
            "paid-14d", "guardrail", "proportion",
            [_arm("current", 5000, 0.6120, 0.0135, 0.487), _arm("one-thing", 5000, 0.6270, 0.0134, 0.483)],
            estimate(0.0150, 0.0190, p=0.122),
        ),
        _metric(
            "complaint-28d", "guardrail", "proportion",
            [_arm("current", 5000, 0.0120, 0.003, 0.109), _arm("one-thing", 5000, 0.0132, 0.0032, 0.114)],
            estimate(0.0012, 0.0044, p=0.592),
        ),
    ]  # fmt: skip
    metrics[0]["segments"] = [_segment("no", -0.0262, 0.0201), _segment("yes", -0.0158, 0.0153)]
    return {
        "trial": "council-tax-reminder",
        "plan_hash": "sha256:3f1d0c8e7b2a46f59d1c0e8b7a6f5d4c3b2a19080f7e6d5c4b3a291807f6e5d4",
        "locked": True,
        "run": {
            "id": 12, "at": "2026-07-20T08:30:00+00:00", "cutoff": "2026-07-14T23:00:00+00:00",
            "seed": 1, "version": "0.1.0", "school": "both",
        },
        "units": {
            "assigned": 10000, "matured": 9500, "maturing": 500, "clusters": None,
            "linked_rate": {"current": 0.83, "one-thing": 0.83},
        },
        "checks": _checks(),
        "metrics": metrics,
        "deflection": _deflection(),
        "plan": _plan(),
        "verdict": {
            "says": "Fewer people had to ring.",
            "decision": "scale",
            "reasons": [
                "The main measure improved, and the whole interval is on the better side",
                "Payment within 14 days did not fall by more than the agreed margin",
                "The saving holds for households without an e-mail address",
            ],
        },
    }  # fmt: skip


def _segment(level: str, value: float, half: float) -> dict[str, Any]:
    return {
        "by": "has_email", "level": level,
        "arms": [_arm("current", 2400, 0.12, 0.013, 0.325), _arm("one-thing", 2390, 0.12 + value, 0.012, 0.3)],
        "contrasts": [{"arm": "one-thing", "versus": "current", "difference": estimate(value, half)}],
        "shrunk": {"mean": value * 0.9, "low": value * 0.9 - half * 0.8, "high": value * 0.9 + half * 0.8},
    }  # fmt: skip


def _checks() -> list[dict[str, Any]]:
    said = {
        "sample-ratio": ("pass", 0.984, "5,000 and 5,000 accounts, as planned (1 to 1)"),
        "randomisation-balance": ("pass", 0.61, "band and instalments are alike in both arms"),
        "link-rate-balance": ("pass", 0.93, "83.0% of accounts could be matched in each arm"),
        "maturity": ("warn", None, "500 of 10,000 accounts are still inside their 14 days"),
        "data-freshness": ("pass", None, "contacts reach up to 14 July 2026, the cut-off"),
        "plan-deviation": ("pass", None, "one amendment, made before the first outcome"),
        "period-coverage": ("not-applicable", None, "this design has no periods"),
    }
    return [{"key": k, "verdict": v, "p": p, "says": s} for k, (v, p, s) in said.items()]


def _deflection() -> dict[str, Any]:
    return {
        "per": 1000, "window_days": 28,
        "contrasts": [{
            "arm": "one-thing", "versus": "current",
            "gross": {"estimate": 71.0, "low": 52.0, "high": 90.0},
            "net": {"estimate": 51.6, "se": 14.2, "low": 23.7, "high": 79.5},
            "leakage": {"estimate": 0.27, "low": 0.08, "high": 0.46},
            "avoidable": {"estimate": 44.0, "low": 19.0, "high": 69.0},
            "displacement": {"phone": 58.0, "webchat": -4.0, "email": -2.4},
            "channels": {
                "phone": {"estimate": 58.0, "se": 13.0, "low": 32.5, "high": 83.5},
                "webchat": {"estimate": -4.0, "se": 4.0, "low": -11.8, "high": 3.8},
                "email": {"estimate": -2.4, "se": 4.0, "low": -10.2, "high": 5.4},
            },
        }],
    }  # fmt: skip


def _plan() -> dict[str, Any]:
    return {
        "hash": "sha256:3f1d0c8e7b2a46f59d1c0e8b7a6f5d4c3b2a19080f7e6d5c4b3a291807f6e5d4",
        "locked_at": "2026-03-27T14:05:00+00:00",
        "seed_commitment": "sha256:9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeef",
        "seed": 20260401,
        "amendments": [{
            "number": 1, "at": "2026-04-02T09:00:00+00:00",
            "reason": "The print house posted a day late", "before_first_outcome": True,
            "changes": ["[trial] starts: 1 April 2026 to 2 April 2026"],
        }],
        "planned_against_actual": [
            {"item": "First letters", "planned": "1 April 2026", "actual": "2 April 2026", "same": False, "says": "Posted a day late; see amendment 1."},
            {"item": "Accounts", "planned": "10,000", "actual": "10,000", "same": True, "says": ""},
            {"item": "Looks at the result", "planned": "1", "actual": "1", "same": True, "says": ""},
            {"item": "Versions sent", "planned": "2", "actual": "2", "same": True, "says": ""},
        ],
    }  # fmt: skip


def variant(value: float, half: float, *, decision: str = "", **difference: Any) -> dict[str, Any]:
    """The letter result with another effect on the primary metric."""
    result = copy.deepcopy(letter_result())
    contrast = result["metrics"][0]["contrasts"][0]
    contrast["difference"] = estimate(value, half, **difference)
    contrast["posterior"] = None
    result["verdict"] = {"says": "", "decision": decision, "reasons": []}
    return result


def early_result() -> dict[str, Any]:
    """Nothing has matured: every figure is absent with a reason."""
    result = copy.deepcopy(letter_result())
    absent = {"absent": "no-matured-units", "why": "no account has completed its 14 days yet"}
    for metric in result["metrics"]:
        metric["arms"] = []
        metric["segments"] = []
        for contrast in metric["contrasts"]:
            contrast.update(difference=absent, ratio=absent, unadjusted=absent, posterior=absent)
    result["deflection"] = None
    result["units"] |= {"matured": 0, "maturing": 10000}
    result["verdict"] = {"says": "", "decision": "not-yet", "reasons": ["no unit has matured"]}
    return result


DONOR_ARMS = (("control", "No match", 16687, 0.01786), ("match-1", "Match 1:1", 11133, 0.02075),
              ("match-2", "Match 2:1", 11134, 0.02263), ("match-3", "Match 3:1", 11129, 0.02273))  # fmt: skip


def donor_trial() -> Trial:
    """Four letters to donors; more is better."""
    arms = tuple(
        Arm(key=k, title=t, control=k == "control", weight=3.0 if k == "control" else 2.0)
        for k, t, _, _ in DONOR_ARMS
    )
    return Trial(
        about=About(key="matching-gifts", title="Matching gifts", channel="letter", unit="donor",
                    service="Charity appeal", starts=date(2005, 8, 1)),
        design=Design(kind="individual"),
        arms=arms,
        metrics=(
            Metric(key="gave", title="Gave within the month", role="primary", kind="proportion",
                   source="outcomes", better="higher", mde_relative=0.25),
            Metric(key="amount", title="Dollars given", role="secondary", kind="mean",
                   source="outcomes", value="amount", better="higher"),
        ),
        analysis=Analysis(),
    )  # fmt: skip


def donor_result() -> dict[str, Any]:
    """Arms' figures as published (Karlan and List 2007, table 2A); intervals are normal."""
    control = DONOR_ARMS[0]

    def contrast(key: str, n: int, mean: float, adjusted: float) -> dict[str, Any]:
        variance = sum(m * (1 - m) / k for m, k in ((mean, n), (control[3], control[2])))
        return {
            "arm": key, "versus": "control",
            "difference": estimate(mean - control[3], 1.96 * variance**0.5, p_adjusted=adjusted),
        }  # fmt: skip

    arms = [_arm(k, n, m, 1.96 * (m * (1 - m) / n) ** 0.5, (m * (1 - m)) ** 0.5)
            for k, _, n, m in DONOR_ARMS]  # fmt: skip
    contrasts = [contrast(k, n, m, p) for (k, _, n, m), p in
                 zip(DONOR_ARMS[1:], (0.088, 0.0135, 0.0135), strict=True)]  # fmt: skip
    absent = {"absent": "missing-outcomes", "why": "two gifts have no recorded amount"}
    return {
        "trial": "matching-gifts", "plan_hash": "sha256:" + "ab" * 32, "locked": True,
        "run": {"id": 3, "at": "2026-11-20T10:00:00+00:00", "cutoff": None, "seed": 1,
                "version": "0.1.0", "school": "frequentist"},
        "units": {"assigned": 50083, "matured": 50083, "maturing": 0, "clusters": None, "linked_rate": {}},
        "checks": [{"key": "sample-ratio", "verdict": "pass", "p": 0.98, "says": "as planned"}],
        "metrics": [
            {"key": "gave", "role": "primary", "kind": "proportion", "arms": arms,
             "contrasts": contrasts, "segments": []},
            {"key": "amount", "role": "secondary", "kind": "mean", "arms": [],
             "contrasts": [{"arm": k, "versus": "control", "difference": absent}
                           for k, *_ in DONOR_ARMS[1:]], "segments": []},
        ],
        "deflection": None,
        "verdict": {"says": "", "decision": "", "reasons": []},
    }  # fmt: skip
