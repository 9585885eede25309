"""A count with its noun, in one place for all that is said to people."""

from __future__ import annotations

_IRREGULAR = {"person": "people", "child": "children", "woman": "women", "man": "men"}
_SAME = frozenset({"series", "premises", "people"})


def plural(noun: str) -> str:
    """The plural of an English noun: household, households; person, people; inquiry, inquiries."""
    if noun in _SAME:
        return noun
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def counted(count: float, noun: str, many: str | None = None) -> str:
    """A count with its noun: "1 unit", "1,200 units"; ``many`` where the plural is not usual."""
    return f"{count:,.0f} {noun if count == 1 else many or plural(noun)}"


def singular(noun: str) -> str:
    """The noun of one, from a plural as :func:`plural` makes it: contacts, contact."""
    irregular = {many: one for one, many in _IRREGULAR.items()}
    if noun in irregular:
        return irregular[noun]
    ways = (f"{noun[:-3]}y" if noun.endswith("ies") else noun, noun.removesuffix("es"),
            noun.removesuffix("s"))  # fmt: skip
    return next((one for one in ways if one != noun and plural(one) == noun), noun)
