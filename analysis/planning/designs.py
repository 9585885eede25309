"""What a design does to the error of a comparison."""

from __future__ import annotations


def design_effect(size: float, icc: float, cv: float = 0.0) -> float:
    """1 + ((CV² + 1)·m − 1)·ICC (Eldridge, Ashby and Kerry 2006, equation 2).

    How many times more units are needed when whole clusters of mean ``size``, whose sizes vary by
    ``cv``, are randomised and analysed by their members.
    """
    return 1 + ((cv**2 + 1) * size - 1) * icc


def stepped_wedge_variance(
    clusters: float, steps: int, *, size: float, icc: float, variance: float
) -> float:
    """The variance of the effect in a stepped wedge (Hussey and Hughes 2007, equation 8).

    Clusters cross over in equal groups at each of ``steps`` steps after one period with none
    treated; ``size`` units are measured in each cluster and period (different people each time),
    with one intra-cluster correlation and a free effect for each period.
    """
    i, t = clusters, steps + 1
    per_step = clusters / steps
    sigma2, tau2 = variance * (1 - icc) / size, variance * icc
    # U: treated cluster-periods; W: sum over periods of treated clusters squared; V: sum over
    # clusters of treated periods squared.
    u = sum(per_step * k for k in range(1, steps + 1))
    w = sum((per_step * k) ** 2 for k in range(1, steps + 1))
    v = sum(per_step * k**2 for k in range(1, steps + 1))
    top = i * sigma2 * (sigma2 + t * tau2)
    bottom = (i * u - w) * sigma2 + (u**2 + i * t * u - t * w - i * v) * tau2
    return top / bottom
