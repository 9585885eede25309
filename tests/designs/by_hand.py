"""The list draw worked by hand from docs/allocation.md: plain Python, one step after another.

Nothing here comes from the package; it is what an auditor would write from the description.
"""

from hashlib import sha256


def digest(seed, trial, purpose, key):
    return sha256(f"signpost-1|{seed}|{trial}|{purpose}|{key}".encode()).hexdigest()


def number(seed, trial, purpose, key, below):
    return int(digest(seed, trial, purpose, key)[:16], 16) % below


def share_out(places, ratio, arms, label, seed, trial):
    whole = sum(ratio)
    counts = [places * r // whole for r in ratio]
    left = [places * r % whole for r in ratio]
    if any(left):
        order = sorted(
            range(len(arms)), key=lambda a: digest(seed, trial, f"order:{arms[a]}", label)[:16]
        )
        point = number(seed, trial, "start", label, whole)
        walked = 0
        for a in order:
            for step in range(left[a]):
                if (walked + step) % whole == point:
                    counts[a] += 1
            walked += left[a]
    return counts


def draw(units, *, arms, ratio, seed, trial, blocks, purpose="unit", holdout=(0, 1)):
    """``units``: {key: label of stratum}. Returns {key: arm or ""}."""
    result = {}
    p, q = holdout
    if p:
        start = number(seed, trial, "holdout-start", "", q)
        ordered = sorted(units, key=lambda u: (units[u], digest(seed, trial, "holdout", u)))
        for i, unit in enumerate(ordered):
            if ((i + 1) * p + start) // q > (i * p + start) // q:
                result[unit] = ""
    for label in sorted(set(units.values())):
        rest = sorted(u for u in units if units[u] == label and u not in result)
        whole, block = sum(ratio), 0
        while rest:
            size = len(rest)
            if blocks:
                times = -(-4 // whole) + number(seed, trial, f"block:{block}", label, 3)
                size = min(size, whole * times)
            here, rest = rest[:size], rest[size:]
            counts = share_out(size, ratio, arms, label, seed, trial)
            names = [arm for arm, n in zip(arms, counts, strict=True) for _ in range(n)]
            here.sort(key=lambda u: digest(seed, trial, purpose, u))
            result.update(zip(here, names, strict=True))
            block += 1
    return result
