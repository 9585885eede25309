"""What the synthetic council is like: lines, reasons, hours and waits.

Ratios come from a council's published committee report (2022) where it gives them: offered calls
by month, 44% of those who give up do so during the recorded message, 87% of them try again within
seven days, 40.7% of callers have no e-mail address on record (by reason: its chart of call
reasons), 31% of webchats are followed by a call. The rest are assumptions, each marked so, for
rehearsal and teaching. None of it is any council's result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from trials.simulate.arrays import Floats

CHANNELS: Final = ("phone", "webchat", "email", "form")
"""The channels of the simulated log, in the order of every array by channel."""

ANSWERED: Final = 0.8689
"""Calls answered of calls offered: 13.11% were not, in October 2022."""
RETURNS: Final = 0.87
"""People not answered who ring again within ``RETURN_WINDOW`` days."""
RETURN_WINDOW: Final = 7.0
RETURN_DAYS: Final = 1.5
"""Mean days until they do, exponential (assumption)."""
CHAT_TO_CALL: Final = 0.31
IN_MESSAGE: Final = 0.44
"""Those who give up between 60 and 120 seconds into the call, around the recorded message."""
MESSAGE_SECONDS: Final = 95
HANDLE_SECONDS: Final = 666.0
HANDLE_SIGMA: Final = 0.75
WAIT_SECONDS: Final = 242.0
NO_EMAIL: Final = 0.407
UNCODED: Final = 0.15
OTHER_CODE: Final = 0.12
WITHHELD: Final = 0.08
LINKED: Final = 0.83
"""Contacts that carry an identifier on record (assumption), withheld numbers included."""

OTHER_REASON: Final = "General enquiry"

LINES: Final[dict[str, float]] = {
    "Council Tax": 0.22, "Benefits": 0.09, "Waste": 0.24, "Highways": 0.11, "Housing": 0.10,
    "Adult Social Care": 0.08, "Schools": 0.06, "Other": 0.10,
}  # fmt: skip
"""Share of calls by line (assumption)."""

CROSSING: Final[dict[str, dict[str, float]]] = {
    "Benefits": {"Council Tax": 0.18, "Housing": 0.05},
    "Council Tax": {"Benefits": 0.04, "Other": 0.02},
    "Housing": {"Benefits": 0.05},
}
"""Where the next contact goes, of those who make one; the rest stay on the line (assumption)."""
ELSEWHERE: Final = {"Other": 0.03}


@dataclass(frozen=True, slots=True)
class Reason:
    """A wrap code: its line, its share of the line's coded contacts and its avoidable share.

    ``no_email`` is the published share of callers without an e-mail address, where there is one.
    """

    line: str
    code: str
    category: str
    avoidable: float
    share: float
    no_email: float | None = None


REASONS: Final = (
    Reason("Council Tax", "Balance or payment query", "could-self-serve", 0.8, 0.27),
    Reason("Council Tax", "Explain my bill", "clarification", 1.0, 0.20),
    Reason("Council Tax", "Change of address", "could-self-serve", 0.8, 0.18),
    Reason("Council Tax", "Discount Query", "clarification", 0.5, 0.12, 0.338),
    Reason("Council Tax", "Chasing progress", "progress-chasing", 1.0, 0.15),
    Reason("Council Tax", "Customer Payment not showing on account", "repeat-notification", 1.0,
           0.06, 0.345),
    Reason("Council Tax", "Customer Complaint", "value", 0.0, 0.02, 0.244),
    Reason("Benefits", "New claim", "value", 0.0, 0.30),
    Reason("Benefits", "Chasing progress", "progress-chasing", 1.0, 0.34),
    Reason("Benefits", "Told you already", "repeat-notification", 1.0, 0.18),
    Reason("Benefits", "Tried online and failed", "tried-and-failed", 1.0, 0.16),
    Reason("Benefits", "Customer Complaint", "value", 0.0, 0.02, 0.244),
    Reason("Waste", "Replacement/Upgrade Bin", "could-self-serve", 0.9, 0.40, 0.345),
    Reason("Waste", "Bin Enquiry", "signposting", 0.9, 0.19, 0.296),
    Reason("Waste", "Missed Collection (too early/late to report)", "signposting", 1.0, 0.16,
           0.344),
    Reason("Waste", "Missed Collection", "value", 0.2, 0.15),
    Reason("Waste", "Street scene Report it", "could-self-serve", 0.7, 0.05, 0.308),
    Reason("Waste", "Waste Permit Scheme", "could-self-serve", 0.8, 0.03, 0.230),
    Reason("Waste", "Customer Complaint", "value", 0.0, 0.02, 0.244),
    Reason("Highways", "Chasing progress", "progress-chasing", 1.0, 0.34),
    Reason("Highways", "Footway/Footpath Defects", "could-self-serve", 0.5, 0.22, 0.327),
    Reason("Highways", "Street Lights", "could-self-serve", 0.6, 0.20, 0.291),
    Reason("Highways", "Dropped Kerb/Vehicle Access", "value", 0.1, 0.13, 0.323),
    Reason("Highways", "Verges/Ditches/Culverts", "could-self-serve", 0.5, 0.09, 0.333),
    Reason("Highways", "Customer Complaint", "value", 0.0, 0.02, 0.244),
    Reason("Housing", "Chasing progress", "progress-chasing", 1.0, 0.38),
    Reason("Housing", "Homelessness advice", "value", 0.0, 0.30),
    Reason("Housing", "Repairs", "value", 0.0, 0.20),
    Reason("Housing", "Wrong organisation", "wrong-organisation", 1.0, 0.10),
    Reason("Housing", "Customer Complaint", "value", 0.0, 0.02, 0.244),
    Reason("Adult Social Care", "Disabled Facility Grant and other schemes", "value", 0.1, 0.30,
           0.333),
    Reason("Adult Social Care", "Assessment", "value", 0.0, 0.45),
    Reason("Adult Social Care", "Chasing progress", "progress-chasing", 1.0, 0.25),
    Reason("Schools", "Admissions Directed to website", "signposting", 1.0, 0.60, 0.344),
    Reason("Schools", "Transport", "value", 0.1, 0.40),
    Reason("Other", "Switchboard", "signposting", 0.8, 0.60),
    Reason("Other", "Libraries and registrars", "value", 0.1, 0.40),
)  # fmt: skip
"""Codes by line. Shares, categories and avoidable shares are assumptions."""


def reasons_of(line: str) -> tuple[Reason, ...]:
    """The reasons of a line; those of ``Other`` for a line that has none of its own."""
    own = tuple(reason for reason in REASONS if reason.line == line)
    return own or reasons_of("Other")


def no_email_rates() -> dict[tuple[str, str], float]:
    """Share without an e-mail address by line and reason.

    Published where there is a figure; the same for all others, such that the whole is 40.7%.
    """
    weight = {(r.line, r.code): LINES[r.line] * r.share for r in REASONS}
    known = {(r.line, r.code): r.no_email for r in REASONS if r.no_email is not None}
    given = sum(weight[key] * rate for key, rate in known.items())
    rest = (NO_EMAIL - given) / (1 - sum(weight[key] for key in known))
    return {key: known.get(key, rest) for key in weight}


_DAY = (1.25, 1.06, 0.98, 0.93, 0.78, 0.0, 0.0)
_OPEN = (0.5, 1.15, 1.3, 1.2, 1.0, 0.95, 1.1, 1.05, 0.85, 0.3)


def open_hours() -> Floats:
    """Relative arrivals of calls by hour of the week, Monday 00:00 first (assumption).

    Monday to Friday from 08:00 to 18:00, the first and the last half hour closed; Monday is the
    peak day and 10:00 the peak hour.
    """
    week = np.zeros((7, 24))
    week[:, 8:18] = np.outer(_DAY, _OPEN)
    return week.ravel()


def any_time() -> Floats:
    """Relative arrivals on the web: 45% outside office hours (assumption)."""
    office = np.zeros((7, 24), dtype=bool)
    office[:5, 9:17] = True
    waking = np.zeros((7, 24))
    waking[:, 7:23] = 1.0
    week = np.where(office, 0.55 / office.sum(), 0.0)
    outside = np.where(office, 0.0, waking)
    return np.asarray(week + 0.45 * outside / outside.sum()).ravel()


DRAMA: Final = (
    "07700 900", "01632 960", "0113 496 0", "0114 496 0", "0115 496 0", "0116 496 0", "0117 496 0",
    "0118 496 0", "0121 496 0", "0131 496 0", "0141 496 0", "0151 496 0", "0161 496 0",
    "020 7946 0", "0191 498 0", "028 9649 6", "029 2018 0", "0808 157 0", "03069 990 ",
)  # fmt: skip
"""Telephone numbers set aside by Ofcom for drama, a thousand each; nobody can have one."""

DRAMA_NUMBERS: Final = 1000 * len(DRAMA)
