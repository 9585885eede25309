"""The sampled models, one file each, and the register by which they are named."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.bayesian.models import amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import Model

MODELS: Mapping[str, Model] = {
    model.key: model
    for model in (binomial.MODEL, counts.MODEL, amounts.MODEL, survival.MODEL, paths.MODEL)
}
