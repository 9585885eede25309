"""Sampling: models compiled once per process and re-used with new data.

nutpie compiles a model's structure through numba (ten seconds or so) and then takes new data in a
fraction of a millisecond. Where numba or nutpie does not load, PyMC's own sampler takes over, one
chain after another in this process, and the result says so. Neither needs a compiler: PyMC works
through a C compiler where there is one, else through numba, else in plain Python, which is slow.

The same seed gives the same draws within a process. Across processes the compiled graph, and with
it the last digits, may depend on the order of hashing unless ``PYTHONHASHSEED`` is fixed, as the
worker does; a published number is stored and never computed again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import numpy as np

from analysis.bayesian.loading import FAILURES, without_numba
from analysis.bayesian.models import MODELS
from analysis.bayesian.models.base import ModelData
from analysis.tables import Floats

Progress = Callable[[str, float], None]
Backend = Literal["nutpie", "pymc"]

CHAINS, DRAWS, TUNE = 4, 1000, 1000
TARGET_ACCEPT = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to sample; the defaults are what reports use."""

    draws: int = DRAWS
    tune: int = TUNE
    chains: int = CHAINS
    cores: int = 2
    target_accept: float = TARGET_ACCEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Draws of every named quantity (chains × draws × its shape) and what the sampler said.

    ``divergent`` is a mask and ``energy`` the Hamiltonian, both chains × draws; ``notes`` says
    what a reader must know, such as that the fallback sampler was used.
    """

    model: str
    values: Mapping[str, Floats]
    divergent: np.ndarray
    energy: Floats
    seed: int
    backend: Backend
    settings: Settings
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def flat(self, name: str) -> Floats:
        """The draws of one quantity with the chains joined."""
        value = self.values[name]
        return value.reshape(-1, *value.shape[2:])


@dataclass(slots=True)
class _Warm:
    """What this process has compiled, and whether nutpie can be used."""

    compiled: dict[Any, Any] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    unusable: str | None = None


_WARM = _Warm()


class _UnusableError(Exception):
    """nutpie or numba cannot be used in this process."""


def sample(
    model_key: str,
    data: ModelData,
    seed: int,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    backend: Backend | None = None,
) -> Sampled:
    """Draws from the posterior of a registered model.

    ``progress`` is called with a stage (``"compiling"``, ``"sampling"``) and the share done.
    ``backend`` forces a sampler; by default nutpie, and PyMC's own where nutpie does not load.
    Calls from several threads take turns.
    """
    chosen, tell = settings or Settings(), progress or _quiet
    with _WARM.lock, _hushed():
        if backend != "pymc" and _WARM.unusable is None:
            try:
                return _with_nutpie(model_key, data, seed, chosen, tell)
            except _UnusableError as problem:
                _WARM.unusable = str(problem)
        return _with_pymc(model_key, data, seed, chosen, tell)


def warm(model_key: str, data: ModelData) -> None:
    """Compile a model's structure ahead of its first use, where nutpie can be used."""
    with _WARM.lock, _hushed():
        try:
            _compiled(model_key, data)
        except _UnusableError as problem:
            _WARM.unusable = str(problem)


def compiled_structures() -> tuple[Any, ...]:
    """The structures this process holds compiled."""
    return tuple(_WARM.compiled)


def versions() -> dict[str, str]:
    """Versions of what the draws depend on, and the hash seed of the process."""
    names = ("pymc", "pytensor", "nutpie", "numba", "numpy", "scipy", "arviz")
    found = {name: _version(name) for name in names}
    return {**found, "hash_seed": os.environ.get("PYTHONHASHSEED", "random")}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _quiet(_stage: str, _share: float) -> None:
    """No one is watching."""


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep the libraries' chatter (progress, missing BLAS, jitter) out of the worker's log."""
    names = ("pymc", "pytensor", "arviz", "nutpie", "numba")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _compiled(model_key: str, data: ModelData) -> Any:
    nutpie, key = _nutpie(), data.structure
    if key not in _WARM.compiled:
        model = MODELS[model_key].build(data)
        try:
            _WARM.compiled[key] = nutpie.compile_pymc_model(model)
        except Exception as problem:  # numba's errors have no common base worth naming
            raise _UnusableError(f"compiling failed, {type(problem).__name__}") from problem
    return _WARM.compiled[key]


def _nutpie() -> Any:
    if (why := without_numba()) is not None:
        raise _UnusableError(why)
    try:
        import nutpie
    except FAILURES as problem:
        raise _UnusableError(f"nutpie does not load, {type(problem).__name__}") from problem
    return nutpie


def _with_nutpie(
    model_key: str, data: ModelData, seed: int, settings: Settings, tell: Progress
) -> Sampled:
    nutpie, started = _nutpie(), time.perf_counter()
    tell("compiling", 0.0)
    ready = _compiled(model_key, data)
    names = set(ready.shared_data) if hasattr(ready, "shared_data") else set(data.arrays)
    swapped = ready.with_data(**{k: v for k, v in data.arrays.items() if k in names})
    compiled = time.perf_counter()
    tell("sampling", 0.0)
    trace = nutpie.sample(
        swapped, draws=settings.draws, tune=settings.tune, chains=settings.chains,
        cores=settings.cores, seed=seed, save_warmup=False, progress_bar=False,
        target_accept=settings.target_accept,
    )  # fmt: skip
    tell("sampling", 1.0)
    done = time.perf_counter()
    seconds = {"compile": compiled - started, "sample": done - compiled}
    return _sampled(trace, data, seed, "nutpie", settings, seconds, ())


def _with_pymc(
    model_key: str, data: ModelData, seed: int, settings: Settings, tell: Progress
) -> Sampled:
    numba = without_numba() is None
    import pymc as pm
    import pytensor

    started = time.perf_counter()
    tell("compiling", 0.0)
    model = MODELS[model_key].build(data)
    share = _Share(settings, tell)
    through = {"mode": "NUMBA"} if numba and not pytensor.configdefaults.config.cxx else None
    trace = pm.sample(
        model=model, draws=settings.draws, tune=settings.tune, chains=settings.chains, cores=1,
        random_seed=seed, progressbar=False, compute_convergence_checks=False,
        nuts_sampler="pymc", target_accept=settings.target_accept, callback=share,
        initvals=None, init="jitter+adapt_diag",
        compile_kwargs=through,
    )  # fmt: skip
    tell("sampling", 1.0)
    why = _WARM.unusable or "it was asked for"
    note = f"Sampled with PyMC's own sampler instead of nutpie ({why})."
    seconds = {"compile": 0.0, "sample": time.perf_counter() - started}
    return _sampled(trace, data, seed, "pymc", settings, seconds, (note,))


class _Share:
    """Counts PyMC's draws and passes the share on, a hundred times at most."""

    def __init__(self, settings: Settings, tell: Progress) -> None:
        self.total = settings.chains * (settings.draws + settings.tune)
        self.seen, self.tell = 0, tell

    def __call__(self, **_: Any) -> None:
        self.seen += 1
        if self.seen % max(self.total // 100, 1) == 0:
            self.tell("sampling", self.seen / self.total)


def _sampled(
    trace: Any, data: ModelData, seed: int, backend: Backend, settings: Settings,
    seconds: Mapping[str, float], notes: tuple[str, ...],
) -> Sampled:  # fmt: skip
    values = {name: np.asarray(trace.posterior[name].values) for name in trace.posterior.data_vars}
    stats = trace.sample_stats
    energy = stats["energy"] if "energy" in stats else -stats["logp"]
    return Sampled(
        model=data.model, values=values, divergent=np.asarray(stats["diverging"].values, bool),
        energy=np.asarray(energy.values, float), seed=seed, backend=backend, settings=settings,
        seconds=seconds, notes=notes,
    )  # fmt: skip
