"""What a contact costs: dated benchmarks, and the bottom-up sum that is to be preferred.

Averages from benchmarks suit simple information and are widely advised against in a business
case; a cost built from handling time and loaded pay is the better figure. Both are *average*
costs: what leaves the ledger at the margin is the business of :mod:`analysis.scaling.mechanism`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.scaling.assumption import Mark
from analysis.scaling.register import Register, missing_problem
from analysis.scaling.specs import cost_name
from analysis.tables import Floats
from trials.errors import Invalid

BOTTOM_UP = (
    "aht_seconds", "annual_pay", "on_cost_rate", "telephony_cost_per_contact", "contract_hours",
    "shrinkage", "occupancy",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A published average cost of one contact, in pounds of its year."""

    source: str
    year: str
    channel: str
    pounds: float
    mark: Mark = "published"

    def to_json(self) -> dict[str, Any]:
        """The row as data."""
        return {"source": self.source, "year": self.year, "channel": self.channel,
                "pounds": self.pounds, "mark": self.mark}  # fmt: skip


def _rows(source: str, year: str, mark: Mark = "published", **pounds: float) -> list[Benchmark]:
    return [
        Benchmark(source=source, year=year, channel=channel.replace("_", "-"), pounds=p, mark=mark)
        for channel, p in pounds.items()
    ]


BENCHMARKS: tuple[Benchmark, ...] = (
    *_rows("NWEGG/CIPFA", "2008", face_to_face=7.81, phone=4.00, web=0.17),
    *_rows("PwC, as cited by Power", "2009", face_to_face=10.53, phone=3.39, letter=12.10,
           web=0.08),
    *_rows("Socitm Channel Value Benchmarking", "2011", face_to_face=8.62, phone=2.83, web=0.15),
    *_rows("Socitm/LGA, as quoted by Richmondshire", "2018", face_to_face=8.21, phone=2.59,
           web=0.09),
    *_rows("Buckinghamshire street faults (mySociety)", "2019", phone=5.88, email=7.81, web=0.09),
    *_rows("ContactBabel UK, all sectors", "2023", phone=6.55),
    *_rows("ContactBabel UK, all sectors", "2024", phone=5.58),
    *_rows("ContactBabel UK, all sectors (ratio to a call)", "2024", "computed", email=3.55,
           webchat=3.05),
)  # fmt: skip


def loaded_hourly_cost(
    annual_pay: Floats | float, *, on_cost_rate: Floats | float, contract_hours: Floats | float,
    shrinkage: Floats | float,
) -> Floats | float:  # fmt: skip
    """Pounds for an hour an officer is really there: pay and on-costs over hours not lost."""
    return annual_pay * (1 + on_cost_rate) / (contract_hours * (1 - shrinkage))


def bottom_up(v: Mapping[str, Floats]) -> Floats:
    """Cost of a contact from :data:`BOTTOM_UP`: handling time × hourly cost ÷ occupancy + line."""
    hourly = loaded_hourly_cost(
        v["annual_pay"], on_cost_rate=v["on_cost_rate"], contract_hours=v["contract_hours"],
        shrinkage=v["shrinkage"],
    )  # fmt: skip
    return v["aht_seconds"] / 3600 * hourly / v["occupancy"] + v["telephony_cost_per_contact"]


def is_bottom_up(register: Register, channel: str) -> bool:
    """Whether the channel's cost is built from pay: calls, once a salary is given."""
    return channel == "phone" and "annual_pay" in register.given


def names_for(register: Register, channels: Iterable[str]) -> tuple[str, ...]:
    """The assumptions that price contacts in ``channels``.

    Under a contract price the supplier's price is the cost of every contact. Raises
    :class:`~trials.errors.Invalid` naming each channel without a cost.
    """
    if register.mechanism.kind == "contract-price":
        return ("contract_price_per_contact",)
    names: list[str] = []
    for channel in channels:
        names += BOTTOM_UP if is_bottom_up(register, channel) else [cost_name(channel)]
    missing = [missing_problem(name) for name in names if register.find(name) is None]
    if missing:
        raise Invalid("the cost per contact", missing)
    return tuple(dict.fromkeys(names))


def unit_cost(register: Register, channel: str, v: Mapping[str, Floats]) -> Floats:
    """Pounds saved for each contact avoided in ``channel``."""
    if register.mechanism.kind == "contract-price":
        return v["contract_price_per_contact"]
    return bottom_up(v) if is_bottom_up(register, channel) else v[cost_name(channel)]
