"""From the net effect of a trial to a stream of benefits, draw by draw.

``contacts avoided in year t = eligible × reach × net effect × fidelity × transfer × persistence(t)
× (1 - optimism bias)``. The net effect is contacts avoided per assigned unit, all lines and
channels, repeats netted out. A negative effect is a cost: it is never clipped, and optimism bias,
which guards against overstating gains, does not soften it. Where the effect is split by channel it
is taken off each channel that gains and off none that takes contacts in (HM Treasury's Green Book
lowers benefits for optimism, never costs), and the total is the sum of what is left in each.

Arrays have one row a year and one column a draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.scaling.costs import names_for, unit_cost
from analysis.scaling.mechanism import release
from analysis.scaling.register import Register
from analysis.tables import Floats

CORE = (
    "eligible_volume", "reach", "fidelity", "transfer", "persistence_half_life_months",
    "optimism_bias_benefits", "optimism_bias_costs", "aht_seconds", "contract_hours", "shrinkage",
    "occupancy", "back_office_saving_per_contact", "other_public_saving_per_contact",
    "customer_minutes_per_contact", "value_of_customer_time", "setup_cost",
    "running_cost_per_year", "discount_rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Draws of the net effect per assigned unit (positive = fewer contacts).

    ``by_channel`` splits it for pricing: the same draws by channel, where a channel that gains
    contacts is negative. Empty means that all of it is in ``channel``.
    """

    net: Floats
    channel: str
    by_channel: Mapping[str, Floats]

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that need a price."""
        return tuple(self.by_channel) or (self.channel,)

    def parts(self) -> Mapping[str, Floats]:
        """The effect by priced channel."""
        return self.by_channel or {self.channel: self.net}

    def at(self, net: Floats) -> Effect:
        """The effect at other values of ``net``; the channels follow by linear regression."""
        if not self.by_channel:
            return Effect(net=net, channel=self.channel, by_channel={})
        parts = {name: _follow(draws, self.net, net) for name, draws in self.by_channel.items()}
        return Effect(net=net, channel=self.channel, by_channel=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Quantities by year and draw; money in pounds of today, gains positive.

    ``contact_centre``, ``back_office``, ``other_public`` and ``customer`` are the four purses;
    ``cash`` and ``non_cash`` split what the council gains (the first two) by whether it leaves
    the ledger. ``running`` and ``setup`` are costs (positive), optimism bias included.
    """

    reach: Floats
    contacts: Floats
    hours: Floats
    fte: Floats
    contact_centre: Floats
    back_office: Floats
    other_public: Floats
    customer: Floats
    customer_hours: Floats
    cash: Floats
    non_cash: Floats
    running: Floats
    setup: Floats

    @property
    def council(self) -> Floats:
        """What the council gains in a year, before costs."""
        return np.asarray(self.cash + self.non_cash, dtype=np.float64)


def needed(register: Register, effect: Effect) -> tuple[str, ...]:
    """Every assumption a stream of benefits rests on."""
    names = (*CORE, *register.mechanism.needs, *names_for(register, effect.channels))
    return tuple(dict.fromkeys(names))


def persistence(half_life_months: Floats, years: int) -> Floats:
    """Mean share of the effect left in each year, (years, draws), halving every half-life.

    The average of ``0.5 ** (months / half-life)`` over the twelve months of the year.
    """
    year = np.arange(years, dtype=np.float64)[:, None]
    rate = 12 * np.log(2) / half_life_months[None, :]
    safe = np.where(rate == 0, 1.0, rate)
    within = np.where(rate == 0, 1.0, -np.expm1(-safe) / safe)
    return np.asarray(np.exp(-rate * year) * within, dtype=np.float64)


def stream(register: Register, effect: Effect, v: Mapping[str, Floats], *, years: int) -> Stream:
    """The stream of ``effect`` over ``years`` at the values ``v`` of :func:`needed`.

    Arrays in ``v`` and in ``effect`` are of one length, or of length one.
    """
    reach = v["eligible_volume"] * v["reach"]
    kept = v["fidelity"] * v["transfer"]
    scale = reach * kept * persistence(v["persistence_half_life_months"], years)
    gain = 1 - v["optimism_bias_benefits"]
    parts = {c: scale * _cautious(draws, gain) for c, draws in effect.parts().items()}
    contacts = sum(parts.values(), np.zeros_like(scale))
    centre = sum((parts[c] * unit_cost(register, c, v) for c in parts), np.zeros_like(contacts))
    hours = contacts * v["aht_seconds"] / 3600
    fte = hours / (v["contract_hours"] * (1 - v["shrinkage"]) * v["occupancy"])
    kind = register.mechanism.kind
    out = release(kind, hours=hours, fte=fte, priced=centre, v=v)
    back = contacts * v["back_office_saving_per_contact"]
    spared = contacts * v["customer_minutes_per_contact"] / 60
    dearer = 1 + v["optimism_bias_costs"]
    return Stream(
        reach=np.broadcast_to(reach, contacts.shape[1:]),
        contacts=contacts,
        hours=hours,
        fte=fte,
        contact_centre=out.cash + (1 - out.share) * centre,
        back_office=back,
        other_public=contacts * v["other_public_saving_per_contact"],
        customer=spared * v["value_of_customer_time"],
        customer_hours=spared,
        cash=out.cash,
        non_cash=(1 - out.share) * centre + back,
        running=np.broadcast_to(v["running_cost_per_year"] * dearer, contacts.shape),
        setup=np.broadcast_to(v["setup_cost"] * dearer, contacts.shape[1:]),
    )


def _cautious(effect: Floats, gain: Floats) -> Floats:
    """Gains reduced by optimism bias, losses left whole."""
    return np.asarray(np.where(effect > 0, effect * gain, effect), dtype=np.float64)


def _follow(draws: Floats, net: Floats, at: Floats) -> Floats:
    centred = net - net.mean()
    spread = float((centred**2).sum())
    slope = float((centred * draws).sum()) / spread if spread > 0 else 0.0
    return np.asarray(draws.mean() + slope * (at - net.mean()), dtype=np.float64)
