"""Planning: how many, how long, how small an effect, and the council's own history to plan from."""

from analysis.planning.power import detectable_effect, plan_power, power_at
from analysis.planning.request import Guardrail, PowerAnswer, PowerRequest

__all__ = [
    "Guardrail",
    "PowerAnswer",
    "PowerRequest",
    "detectable_effect",
    "plan_power",
    "power_at",
]
