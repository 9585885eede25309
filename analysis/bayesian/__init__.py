"""Posteriors: closed forms at once, sampling where it earns its keep, and what follows from both.

Nothing here imports PyMC, ArviZ or nutpie when it is imported; :mod:`analysis.bayesian.sampler`
does so inside the function that samples, in the worker. Start at
:func:`analysis.bayesian.posterior.effect_posterior` for any estimate with a standard error,
:mod:`analysis.bayesian.closed_form` for arms straight from the grouped tables, and
:func:`analysis.bayesian.fits.fit` for a sampled model.
"""
