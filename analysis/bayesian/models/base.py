"""What all models share: their data, their place in the register, and the prior on the effect.

Every model writes an arm's level on its own link scale as the control's plus β, and puts the
plan's prior on the absolute effect δ(β) itself: given everything else δ rises or falls
monotonically with β, so the density of β is the cut normal density of δ times |dδ/dβ|. The normal
is cut to what δ can be (a rate cannot leave [0, 1]) and divided by its mass there, so that the
prior stays a proper conditional distribution and can be drawn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.bayesian.closed_form import log_mass
from analysis.bayesian.loading import without_numba
from analysis.bayesian.priors import EffectPrior
from analysis.tables import Floats

Array = npt.NDArray[Any]
Params = Mapping[str, Any]

NEARLY_FLAT = 1e3  # a flat prior is a normal this many times wider than the scale of the outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelData:
    """A model's data: what is compiled in (``sizes``) and what is swapped (``arrays``).

    ``order`` lists the planned arms' indices as the model numbers them: the control first, arms
    without units left out. ``levels`` names the levels of the segment, ``typical`` is the scale
    on which the outcome's priors are stated.
    """

    model: str
    sizes: Mapping[str, int]
    arrays: Mapping[str, Array]
    arms: tuple[str, ...]
    order: tuple[int, ...]
    prior: EffectPrior
    levels: tuple[str, ...] = ()
    typical: float = 1.0
    unit: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def structure(self) -> tuple[str, tuple[tuple[str, int], ...]]:
        """What a compiled model depends on; data that share it share the model."""
        return self.model, tuple(sorted(self.sizes.items()))

    @property
    def digest(self) -> str:
        """SHA-256 over the structure, the arms and every array."""
        seen = hashlib.sha256(repr((self.structure, self.arms, self.order, self.levels)).encode())
        for name in sorted(self.arrays):
            value = np.ascontiguousarray(self.arrays[name])
            seen.update(f"{name}:{value.dtype}:{value.shape}".encode())
            seen.update(value.tobytes())
        return seen.hexdigest()

    def with_arrays(self, **arrays: Array) -> ModelData:
        """The same data with some arrays replaced."""
        return replace(self, arrays={**self.arrays, **arrays})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as the register holds it.

    ``build`` makes the PyMC model (and is the only part that imports PyMC); ``draw_prior`` draws
    its parameters, ``replicate`` new data given parameters, ``statistics`` the figures by which
    data and replicates are compared, ``notation`` the model in Unicode mathematics. ``watch``
    names the quantities whose convergence is judged.
    """

    key: str
    title: str
    build: Callable[[ModelData], Any]
    draw_prior: Callable[[ModelData, np.random.Generator], Params]
    replicate: Callable[[Params, ModelData, np.random.Generator], ModelData]
    statistics: Callable[[ModelData], Mapping[str, float]]
    notation: Callable[[ModelData], tuple[str, ...]]
    watch: tuple[str, ...] = ("effect", "level")


def libraries() -> tuple[Any, Any]:
    """PyMC and PyTensor's tensors, imported only when a model is built."""
    without_numba()
    import pymc
    import pytensor.tensor

    return pymc, pytensor.tensor


def prior_arrays(prior: EffectPrior, scale: float) -> dict[str, Array]:
    """The prior's mean and sd as data; a flat prior as one far wider than ``scale``."""
    sd = NEARLY_FLAT * scale if prior.flat else prior.sd
    return {"prior_mean": np.asarray(prior.mean), "prior_sd": np.asarray(sd)}


def shared_data(data: ModelData, *names: str) -> list[Any]:
    """The named arrays as the model's mutable data, in the order asked for."""
    pm, _ = libraries()

    return [pm.Data(name, data.arrays[name]) for name in names]


def effect_prior_term(delta: Any, log_slope: Any, low: Any, high: Any, mean: Any, sd: Any) -> Any:
    """The log density of β implied by the cut normal prior on δ (symbolic); ``high`` may be None.

    ``log_slope`` is log |dδ/dβ|.
    """
    _, pt = libraries()

    z = (delta - mean) / sd
    a = (low - mean) / sd
    if high is None:
        mass = pt.erfc(a / _ROOT2) / 2
    else:
        b = (high - mean) / sd
        flip = pt.gt(a, 0)
        near, far = pt.switch(flip, a, -b), pt.switch(flip, b, -a)
        mass = (pt.erfc(near / _ROOT2) - pt.erfc(far / _ROOT2)) / 2
    return -0.5 * z**2 - pt.log(sd) - pt.log(mass + 1e-300) + log_slope


def effect_prior_log(
    delta: Floats, log_slope: Floats, low: Any, high: Any, prior: Params
) -> Floats:
    """The same in numbers, for the models' second implementations."""
    mean, sd = float(prior["prior_mean"]), float(prior["prior_sd"])
    z = (delta - mean) / sd
    upper = np.inf if high is None else (high - mean) / sd
    return np.asarray(-0.5 * z**2 - np.log(sd) - log_mass((low - mean) / sd, upper) + log_slope)


def draw_effect(prior: Params, low: Any, high: Any, rng: np.random.Generator) -> Floats:
    """An effect from the normal prior cut to ``[low, high]``, by inverting its distribution."""
    mean, sd = float(prior["prior_mean"]), float(prior["prior_sd"])
    a, b = (np.asarray(low, float) - mean) / sd, (np.asarray(high, float) - mean) / sd
    flip = a > 0
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    below, above = special.ndtr(a), special.ndtr(b)
    z = special.ndtri(below + rng.random(np.shape(a)) * (above - below))
    inside = np.clip(mean + sd * np.where(flip, -z, z), low, high)
    return np.asarray(inside, float)


def solve_rising(f: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a rising function reaches ``target``, by bisection."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < target else (low, middle)
    return (low + high) / 2


def arm_order(arms: tuple[str, ...], control: int, n: Floats) -> tuple[int, ...]:
    """The control first, then the other arms that have units, in the plan's order."""
    others = [a for a in range(len(arms)) if a != control and n[a] > 0]
    return (control, *others)


def renumbered(arm: Array, order: tuple[int, ...]) -> Array:
    """Planned arm codes as the model's own numbers (-1 for an arm it leaves out)."""
    number = np.full(max(int(arm.max(initial=0)), *order) + 1, -1)
    number[list(order)] = np.arange(len(order))
    return np.asarray(number[arm])


PADDED = (4, 8, 16, 32, 64, 128, 256)


def padded(levels: int) -> int:
    """The number of levels compiled in for this many: few sizes, so that models are shared."""
    return next((size for size in PADDED if size >= levels), levels) if levels > 1 else 0


def contrasts(levels: int, size: int) -> tuple[Array, Array]:
    """An orthonormal basis of the vectors of ``levels`` that sum to zero, padded with zeros.

    Coefficients that are independent normals of one sd then make the zero-sum normal effects, and
    those beyond ``levels - 1`` change nothing. Returns the basis (size × size-1) and the mask of
    the coefficients that count.
    """
    basis, used = np.zeros((size, size - 1)), np.zeros(size - 1)
    for j in range(1, levels):
        basis[:j, j - 1] = 1 / np.sqrt(j * (j + 1))
        basis[j, j - 1] = -j / np.sqrt(j * (j + 1))
    used[: levels - 1] = 1
    return basis, used


_ROOT2 = float(np.sqrt(2))
