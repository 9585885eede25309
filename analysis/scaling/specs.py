"""The assumptions a case can rest on: their units, what is possible, and the dated defaults.

Every default that a case uses is listed in it with this source, date and mark; those marked
"practitioner" are rules of thumb to be replaced by the council's own figures. A name without a
default must be given where it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.scaling.assumption import Assumption, Mark

CHANNELS = (
    "phone", "ivr", "webchat", "email", "form", "letter", "sms", "social", "face-to-face", "web",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a name means, its unit, the values that are possible, and its default if it has one."""

    name: str
    meaning: str
    unit: str
    minimum: float = 0.0
    maximum: float = math.inf
    whole: bool = False
    may_vary: bool = True
    default: Assumption | None = None

    @property
    def label(self) -> str:
        """A short name for headings, tables and charts; ``meaning`` says it exactly."""
        return LABELS[self.name]


LABELS: Mapping[str, str] = {
    "eligible_volume": "number it is meant for",
    "reach": "how many of them it really reaches",
    "fidelity": "how much of the effect everyday practice keeps",
    "transfer": "how much of the effect another service keeps",
    "persistence_half_life_months": "how long until half the effect is gone",
    "optimism_bias_benefits": "cut in the gains against optimism",
    "optimism_bias_costs": "rise in the costs against optimism",
    "cost_per_contact_phone": "cost of a call",
    "cost_per_contact_email": "cost of an e-mail",
    "cost_per_contact_form": "cost of a form",
    "cost_per_contact_webchat": "cost of a webchat",
    "cost_per_contact_letter": "cost of a letter",
    "cost_per_contact_face_to_face": "cost of a visit",
    "cost_per_contact_web": "cost of a transaction on the web",
    "cost_per_contact_ivr": "cost of a call that ends in the menu",
    "cost_per_contact_sms": "cost of a text",
    "cost_per_contact_social": "cost of a contact on social media",
    "annual_pay": "salary of the officer who answers",
    "on_cost_rate": "employer’s on-costs",
    "telephony_cost_per_contact": "telephony and licences for a contact",
    "setup_cost": "one-off cost of the roll-out",
    "running_cost_per_year": "yearly cost of keeping it going",
    "weekly_trial_cost": "cost of one more week of trial",
    "aht_seconds": "handling time of a contact",
    "contract_hours": "paid hours of a full-time officer",
    "shrinkage": "paid time off the phones",
    "occupancy": "rostered time spent on contacts",
    "working_days_per_year": "days a year on which the line is open",
    "back_office_saving_per_contact": "back-office cost that goes with a contact",
    "other_public_saving_per_contact": "what other public bodies save by a contact",
    "customer_minutes_per_contact": "time a customer is spared by a contact less",
    "value_of_customer_time": "worth of a customer’s hour",
    "horizon_years": "years that are counted",
    "discount_rate": "discount rate",
    "posts_deleted": "posts that would go",
    "post_cost": "yearly cost of one such post",
    "agency_shift_hours": "length of an agency shift",
    "agency_shift_cost": "invoice for an agency shift",
    "contract_price_per_contact": "price the supplier is paid for a contact",
    "equity_harm_margin": "how much worse a group may be before it is harm",
    "small_cell_minimum": "smallest group that is shown",
    "target_wait_seconds": "target for the average wait",
    "retry": "callers who give up and ring again",
}
"""Short names in plain English, to stand in the middle of a sentence too."""


def cost_name(channel: str) -> str:
    """The assumption that prices a contact in ``channel``."""
    return f"cost_per_contact_{channel.replace('-', '_')}"


def _spec(
    name: str, meaning: str, unit: str, *, limits: tuple[float, float] = (0.0, math.inf),
    default: tuple[float, float | None, float | None, str, str, Mark] | None = None,
    whole: bool = False, may_vary: bool = True,
) -> Spec:  # fmt: skip
    return Spec(
        name=name, meaning=meaning, unit=unit, minimum=limits[0], maximum=limits[1], whole=whole,
        may_vary=may_vary, default=_default(name, unit, default) if default else None,
    )  # fmt: skip


def _default(
    name: str, unit: str, row: tuple[float, float | None, float | None, str, str, Mark]
) -> Assumption:
    value, low, high, source, dated, mark = row
    return Assumption(
        name=name, value=value, low=low, high=high, source=source, dated=dated, mark=mark,
        unit=unit, shape="fixed" if low is None else "triangular", is_default=True,
    )  # fmt: skip


_SHARE = (0.0, 1.0)
_SIGNED = (-math.inf, math.inf)
_WORKED = "Signpost's worked case: a modest change to one line"
_RULE = "customary planning figure; replace with the council's own"

_REACH = [
    _spec("eligible_volume", "units that would meet the change if it were rolled out",
          "units a year"),
    _spec("reach", "share of them the roll-out really reaches", "share", limits=_SHARE,
          default=(0.9, 0.8, 1.0, _RULE, "2022-11", "practitioner")),
    _spec("fidelity", "share of the effect left when ordinary practice delivers it", "share",
          limits=_SHARE, default=(0.8, 0.6, 0.95, _RULE, "2022-11", "practitioner")),
    _spec("transfer", "share of the effect left in the service it is moved to", "share",
          limits=_SHARE,
          default=(1.0, None, None, "same service as the trial: nothing is transferred",
                   "2022-11", "computed")),
    _spec("persistence_half_life_months", "months in which half the effect fades", "months",
          limits=(0.1, math.inf), default=(12, 6, 24, _RULE, "2022-11", "practitioner")),
    _spec("optimism_bias_benefits", "share taken off gains for optimism", "share",
          limits=_SHARE),
    _spec("optimism_bias_costs", "share added to costs for optimism", "share"),
]  # fmt: skip

_STREET_FAULTS = "Buckinghamshire, street-fault reporting (mySociety); range: other UK benchmarks"
_CONTACTBABEL = "ContactBabel UK, all sectors: a call costs more by the stated ratio"

_COSTS = [
    _spec("cost_per_contact_phone", "average cost of a call an officer answers", "£ a contact",
          default=(5.88, 2.83, 6.55, _STREET_FAULTS, "2019-06", "published")),
    _spec("cost_per_contact_email", "average cost of an e-mail an officer answers", "£ a contact",
          default=(7.81, 3.55, 7.81, _STREET_FAULTS, "2019-06", "published")),
    _spec("cost_per_contact_form", "average cost of a form an officer answers", "£ a contact",
          default=(7.81, 3.55, 7.81, "taken to cost what an e-mail costs: no benchmark of its own",
                   "2019-06", "practitioner")),
    _spec("cost_per_contact_webchat", "average cost of a webchat", "£ a contact",
          default=(3.05, 2.0, 4.0, f"{_CONTACTBABEL} (83%)", "2024", "computed")),
    _spec("cost_per_contact_letter", "average cost of a letter an officer answers", "£ a contact",
          default=(12.10, 7.81, 12.10, "PwC, as cited by Power; the year is uncertain", "2009",
                   "published")),
    _spec("cost_per_contact_face_to_face", "average cost of a visit", "£ a contact",
          default=(8.62, 7.81, 10.53, "Socitm Channel Value Benchmarking, 2011 cohort", "2012-05",
                   "published")),
    _spec("cost_per_contact_web", "average cost of a self-served transaction", "£ a contact",
          default=(0.09, 0.08, 0.17, _STREET_FAULTS, "2019-06", "published")),
    _spec("cost_per_contact_ivr", "average cost of a call that ends in the menu", "£ a contact"),
    _spec("cost_per_contact_sms", "average cost of a text an officer answers", "£ a contact"),
    _spec("cost_per_contact_social", "average cost of a social media contact", "£ a contact"),
    _spec("annual_pay", "salary of the officer who answers, before on-costs", "£ a year"),
    _spec("on_cost_rate", "employer's on-costs as a share of pay", "share",
          default=(0.35, 0.30, 0.40, "employer NI 15% and LGPS about 20%; replace with local rates",
                   "2025-04", "practitioner")),
    _spec("telephony_cost_per_contact", "telephony and licence cost of one contact",
          "£ a contact"),
    _spec("setup_cost", "one-off cost of rolling the change out", "£",
          default=(2000, 1000, 4000, _WORKED, "2022-11", "practitioner")),
    _spec("running_cost_per_year", "cost of keeping the change going", "£ a year",
          default=(500, 250, 1000, _WORKED, "2022-11", "practitioner")),
    _spec("weekly_trial_cost", "cost of running the trial one more week", "£ a week",
          default=(250, None, None, "half a day a week of an officer's time", "2025-04",
                   "practitioner")),
]  # fmt: skip

_MINUTES_16 = "Buckinghamshire committee minutes: calls average 11.1 minutes; range: rule of thumb"

_WORK = [
    _spec("aht_seconds", "average handling time of an avoided contact", "seconds",
          limits=(1.0, 36_000.0), default=(666, 500, 800, _MINUTES_16, "2022-12", "published")),
    _spec("contract_hours", "paid hours of a full-time officer", "hours a year",
          limits=(1.0, 8_784.0),
          default=(1924, None, None, "37 hours × 52 weeks", "2022-11", "computed")),
    _spec("shrinkage", "share of paid time lost to leave, sickness, training and meetings",
          "share", limits=(0.0, 0.95), default=(0.30, 0.20, 0.35, _RULE, "2022-11",
                                               "practitioner")),
    _spec("occupancy", "share of rostered time spent handling contacts", "share",
          limits=(0.05, 1.0), default=(0.85, 0.80, 0.90, _RULE, "2022-11", "practitioner")),
    _spec("working_days_per_year", "days a year on which the line is open", "days",
          limits=(1.0, 366.0),
          default=(253, None, None, "weekdays less bank holidays in England", "2022",
                   "computed")),
]  # fmt: skip

_PURSES = [
    _spec("back_office_saving_per_contact", "back-office cost that goes with an avoided contact",
          "£ a contact", limits=_SIGNED,
          default=(0, None, None, "no back-office saving is claimed", "2022-11", "computed")),
    _spec("other_public_saving_per_contact", "saving to other public bodies (a cost if negative)",
          "£ a contact", limits=_SIGNED,
          default=(0, None, None, "no saving to other bodies is claimed", "2022-11", "computed")),
    _spec("customer_minutes_per_contact", "waiting and talking a customer is spared", "minutes",
          default=(15.1, None, None, "Buckinghamshire, October 2022: 242 s wait and 666 s call",
                   "2022-12", "computed")),
    _spec("value_of_customer_time", "what an hour of a customer's time is worth", "£ an hour",
          default=(17, None, None, "National Audit Office, using HMRC's rate; uprate before use",
                   "2016", "published")),
]  # fmt: skip

_MONEY = [
    _spec("horizon_years", "years over which costs and benefits are counted", "years",
          limits=(1, 30), whole=True, may_vary=False,
          default=(3, None, None, _WORKED, "2022-11", "practitioner")),
    _spec("discount_rate", "real discount rate, years 0 to 30", "share a year",
          limits=(0.0, 0.2),
          default=(0.035, None, None, "HM Treasury Green Book", "2026-02", "published")),
    _spec("posts_deleted", "posts that would be deleted", "posts", whole=True, may_vary=False),
    _spec("post_cost", "cost of one such post with on-costs", "£ a year"),
    _spec("agency_shift_hours", "length of an agency shift", "hours", limits=(0.5, 24.0)),
    _spec("agency_shift_cost", "invoice for one agency shift", "£ a shift"),
    _spec("contract_price_per_contact", "price the supplier is paid for a contact",
          "£ a contact"),
]  # fmt: skip

_SAFEGUARDS = [
    _spec("equity_harm_margin", "extra contacts per unit in a group that would be harm",
          "contacts per unit", may_vary=False,
          default=(0.01, None, None, "non-inferiority margin of one in a hundred", "2022-11",
                   "practitioner")),
    _spec("small_cell_minimum", "the smallest number of people a table may show", "people",
          limits=(2, 1000), whole=True, may_vary=False,
          default=(10, None, None, "common disclosure-control practice is 5 to 10", "2022-11",
                   "practitioner")),
    _spec("target_wait_seconds", "average wait the line is meant to keep", "seconds",
          limits=(1.0, 7200.0), may_vary=False,
          default=(180, None, None, "Buckinghamshire target for average call wait", "2022-11",
                   "published")),
    _spec("retry", "share of callers who give up that ring again", "share", limits=_SHARE,
          may_vary=False,
          default=(0, None, None, "no call-backs are modelled unless a share is given", "2022-11",
                   "computed")),
]  # fmt: skip

SPECS: dict[str, Spec] = {
    spec.name: spec
    for group in (_REACH, _COSTS, _WORK, _PURSES, _MONEY, _SAFEGUARDS)
    for spec in group
}
