"""An arm's wording: a small, safe part of Jinja2, checked before anything is written.

Allowed are text, ``{{ column }}``, ``{{ column | filter }}`` with the filters of
:mod:`trials.definition.filters`, comments, and ``{% if %} … {% elif %} … {% else %} … {% endif %}``
on columns with ``==``, ``!=``, ``and``, ``or`` and ``not``. The syntax tree is held against that
list; loops, arithmetic, calls, attributes and everything else is refused whatever it does. What
passes is then rendered in an immutable sandbox without globals, where an unknown name is an error.

A column whose heading is not a plain name is written with underscores: ``First name`` is
``{{ first_name }}``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from trials.definition.filters import PLAIN, WITH_TEXT, Unfit
from trials.errors import Invalid, Problem

_TAKEN = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
"""Names that mean something else inside a template; such a column is written with a final _."""

LONGEST = 50_000
"""Characters in a wording: about ten pages of letter."""
DEEPEST = 12
"""Levels of expressions and ifs inside each other."""

_NAMES: Mapping[type[nodes.Node], str] = {
    nodes.For: "a loop",
    nodes.Getattr: "an attribute",
    nodes.Getitem: "an index",
    nodes.Call: "a call",
    nodes.Const: "a constant",
    nodes.Concat: "joining texts",
    nodes.BinExpr: "arithmetic",
    nodes.Neg: "arithmetic",
    nodes.Pos: "arithmetic",
    nodes.CondExpr: "an if inside {{ }}",
    nodes.Test: "a test",
    nodes.Filter: "a filter on a block",
    nodes.Assign: "a set",
    nodes.Macro: "a macro",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "an extends",
    nodes.Block: "a block",
}


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    environment.globals.clear()
    environment.filters.clear()
    environment.tests.clear()
    environment.filters.update(PLAIN)
    environment.filters.update(WITH_TEXT)
    return environment


def placeholder(column: str) -> str:
    """How a column is named in a wording: ``First name`` is ``first_name``."""
    if column.isidentifier() and column.isascii():
        return f"{column}_" if column in _TAKEN else column
    plain = re.sub(r"\W+", "_", column.strip().lower(), flags=re.ASCII).strip("_")
    return f"_{plain}" if plain[:1].isdigit() else plain


def check(wording: str, columns: Sequence[str]) -> list[Problem]:
    """Everything wrong with ``wording`` for a list with ``columns``; empty when it can be used."""
    tree, problems = _parse(wording)
    if tree is None:
        return problems
    meanings = Counter(placeholder(column) for column in columns)
    known = set(meanings)
    problems += _refused(tree)
    for name in tree.find_all(nodes.Name):
        if name.name not in known and not any(p.line == name.lineno for p in problems):
            problems.append(_unknown(name, known))
        elif meanings[name.name] > 1:
            says = f"{name.name} could be more than one column"
            problems.append(_problem(name, says, "rename the columns that differ only in signs"))
    problems += _notify_style(tree, known)
    return sorted(problems, key=lambda p: p.line or 0)


def syntax(wording: str) -> list[Problem]:
    """What is wrong with ``wording`` whatever columns the list turns out to have."""
    tree, problems = _parse(wording)
    return problems if tree is None else _refused(tree)


def syntax_tree(wording: str) -> nodes.Template | None:
    """The tree of a wording that is sound whatever the columns; ``None`` for one that is not."""
    tree, _ = _parse(wording)
    return None if tree is None or _refused(tree) else tree


@dataclass(frozen=True, slots=True)
class Wording:
    """A checked wording. ``placeholders`` are the columns it uses, by their names in the list."""

    text: str
    placeholders: tuple[str, ...]
    _render: Callable[[Mapping[str, str]], str]

    def render(self, row: Mapping[str, str]) -> str:
        """The wording for one unit; ``row`` holds its cells by column.

        Raises:
            Invalid: a cell does not hold what a filter needs; the column is named, not the cell.
        """
        return self._render(row)


def plain(wording: str) -> str:
    """The wording for people to read on a wall: ``{{ do_what }}`` is ``[do what]``.

    Of an if, the text of its first branch is shown; comments and tests are not. A wording that
    cannot be read as a template is shown with its brackets taken off.
    """
    tree, _ = _parse(wording)
    if tree is None:
        named = re.sub(r"\{\{-?\s*([^\W\d]\w*).*?\}\}", lambda m: _bracketed(m[1]), wording)
        return re.sub(r"\{%.*?%\}|\{#.*?#\}", "", named, flags=re.DOTALL).strip()
    return "".join(_readable(tree.body)).strip()


def _readable(body: Sequence[nodes.Node]) -> Iterator[str]:
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    yield part.data
                else:
                    yield _bracketed(_chain(part)[0])
        elif isinstance(node, nodes.If):
            yield from _readable(node.body)


def _bracketed(name: str) -> str:
    return f"[{name.strip('_').replace('_', ' ')}]" if name else ""


def compile(wording: str, columns: Sequence[str]) -> Wording:  # noqa: A001 - read as wording.compile
    """Check ``wording`` and make it ready to be rendered a million times.

    Raises:
        Invalid: the wording cannot be used; every problem is listed.
    """
    problems = check(wording, columns)
    if problems:
        raise Invalid("the wording cannot be used", problems)
    tree, _ = _parse(wording)
    assert tree is not None
    used = {name.name for name in tree.find_all(nodes.Name)}
    pairs = tuple((placeholder(c), c) for c in columns if placeholder(c) in used)
    return Wording(wording, tuple(c for _, c in pairs), renderer(tree, pairs))


def fragments(wording: str, columns: Sequence[str]) -> list[Fragment]:
    """The parts of a checked wording in order, for systems that fill in placeholders themselves.

    Raises:
        Invalid: the wording cannot be used; every problem is listed.
    """
    compile(wording, columns)
    tree, _ = _parse(wording)
    assert tree is not None
    by_name = {placeholder(c): c for c in columns}
    return [_fragment(node, by_name) for node in _outputs(tree)]


@dataclass(frozen=True, slots=True)
class Fragment:
    """One part of a wording: text, a column (with the filters on it), or a whole if."""

    text: str | None
    column: str | None
    filters: tuple[str, ...]
    render: Callable[[Mapping[str, str]], str]


def _outputs(tree: nodes.Template) -> Iterator[nodes.Node]:
    for node in tree.body:
        if isinstance(node, nodes.Output):
            yield from node.nodes
        else:
            yield node


def _fragment(node: nodes.Node, by_name: Mapping[str, str]) -> Fragment:
    if isinstance(node, nodes.TemplateData):
        text = node.data
        return Fragment(text, None, (), lambda _row: text)
    whole = nodes.Output([node]) if isinstance(node, nodes.Expr) else node
    tree = nodes.Template([whole], lineno=node.lineno)
    tree.set_environment(_environment())
    used = {n.name for n in tree.find_all(nodes.Name)}
    render = renderer(tree, tuple((n, c) for n, c in by_name.items() if n in used))
    if isinstance(node, nodes.If):
        return Fragment(None, None, (), render)
    base, filters = _chain(node)
    return Fragment(None, by_name[base], tuple(f.name for f in filters), render)


def renderer(
    tree: nodes.Template, pairs: tuple[tuple[str, str], ...]
) -> Callable[[Mapping[str, str]], str]:
    """A function of a row that renders ``tree``; ``pairs`` are (name in the wording, column)."""
    template = _environment().from_string(tree)
    if not pairs:
        text = template.render()
        return lambda _row: text
    render = template.render

    def of_row(row: Mapping[str, str]) -> str:
        try:
            return render({name: row[column] for name, column in pairs})
        except Unfit as unfit:
            problem = _misfit(tree, {name: (column, row[column]) for name, column in pairs}, unfit)
            raise Invalid("the wording cannot be rendered", [problem]) from None
        except KeyError as missing:
            problem = Problem(f"column {missing.args[0]}", "is not in the list")
            raise Invalid("the wording cannot be rendered", [problem]) from None

    return of_row


def _misfit(tree: nodes.Template, cells: Mapping[str, tuple[str, str]], unfit: Unfit) -> Problem:
    """The column whose cell does not fit its filter. The cell itself is never repeated."""
    remedy = "correct the list, or print the column as it is"
    for node in tree.find_all(nodes.Filter):
        name, filters = _chain(node)
        column, value = cells[name]
        try:
            for step in filters:
                texts = [a.value for a in step.args if isinstance(a, nodes.Const)]
                value = _environment().filters[step.name](value, *texts)
        except Unfit as misfit:
            return Problem(f"column {column}", str(misfit), remedy)
    return Problem("the wording", f"a cell {unfit}", remedy)  # pragma: no cover - found above


def _chain(node: nodes.Node) -> tuple[str, list[nodes.Filter]]:
    """The column's name at the bottom of a chain of filters, and the filters, first to last."""
    filters: list[nodes.Filter] = []
    base: nodes.Node | None = node
    while isinstance(base, nodes.Filter):
        filters.insert(0, base)
        base = base.node
    return (base.name if isinstance(base, nodes.Name) else ""), filters


def _parse(wording: str) -> tuple[nodes.Template | None, list[Problem]]:
    if len(wording) > LONGEST:
        remedy = f"keep it to {LONGEST:,} characters"
        return None, [Problem("the wording", f"has {len(wording):,} characters", remedy)]
    try:
        return _environment().parse(wording), []
    except TemplateSyntaxError as error:
        place = f"line {error.lineno} of the wording"
        says = (error.message or "cannot be read").rstrip(".")
        return None, [Problem(place, says[:1].lower() + says[1:], _HELP, error.lineno)]
    except RecursionError:
        return None, [Problem("the wording", "is nested too deeply", _HELP)]


_HELP = "use only text, {{ column }}, {{ column | filter }} and {% if column == 'value' %}"


def _refused(tree: nodes.Template) -> list[Problem]:
    problems: list[Problem] = []
    for part in tree.body:
        problems.extend(_statement(part, 1))
    return problems


def _statement(node: nodes.Node, depth: int) -> Iterator[Problem]:
    """Problems of text, of an output or of an if; every other statement is one."""
    if depth > DEEPEST:
        yield _problem(node, "is nested too deeply")
    elif isinstance(node, nodes.Output):
        for part in node.nodes:
            if not isinstance(part, nodes.TemplateData):
                yield from _value(part, depth + 1)
    elif isinstance(node, nodes.If):
        yield from _condition(node.test, depth + 1)
        inside: list[nodes.Node] = [*node.body, *node.elif_, *node.else_]
        for statement in inside:
            yield from _statement(statement, depth + 1)
    else:
        yield _not_allowed(node)


def _value(node: nodes.Node | None, depth: int) -> Iterator[Problem]:
    """Problems of a column, filtered or not."""
    if depth > DEEPEST and node is not None:
        yield _problem(node, "is nested too deeply")
    elif isinstance(node, nodes.Filter) and node.node is not None:
        yield from _filter(node)
        yield from _value(node.node, depth + 1)
    elif not (isinstance(node, nodes.Name) and node.ctx == "load") and node is not None:
        yield _not_allowed(node)


def _filter(node: nodes.Filter) -> Iterator[Problem]:
    arguments = [*node.args, *node.kwargs, *filter(None, (node.dyn_args, node.dyn_kwargs))]
    texts = [a for a in node.args if isinstance(a, nodes.Const) and isinstance(a.value, str)]
    if node.name in PLAIN:
        if arguments:
            yield _problem(node, f"gives the filter {node.name} an argument; it takes none")
    elif node.name in WITH_TEXT:
        if len(arguments) != 1 or len(texts) != 1:
            yield _problem(node, f"the filter {node.name} takes one text in quotes")
    else:
        allowed = ", ".join([*PLAIN, "default"])
        yield _problem(node, f"the filter {node.name} is not allowed", f"use one of {allowed}")


def _condition(node: nodes.Node, depth: int) -> Iterator[Problem]:
    """Problems of an if's test."""
    if depth > DEEPEST:
        yield _problem(node, "is nested too deeply")
    elif isinstance(node, (nodes.And, nodes.Or)):
        yield from _condition(node.left, depth + 1)
        yield from _condition(node.right, depth + 1)
    elif isinstance(node, nodes.Not):
        yield from _condition(node.node, depth + 1)
    elif isinstance(node, nodes.Compare):
        yield from _comparison(node, depth)
    else:
        yield from _value(node, depth + 1)


def _comparison(node: nodes.Compare, depth: int) -> Iterator[Problem]:
    if len(node.ops) != 1 or node.ops[0].op not in ("eq", "ne"):
        yield _problem(node, "compares by something else than == or !=", _HELP)
        return
    for side in (node.expr, node.ops[0].expr):
        if not isinstance(side, nodes.Const):
            yield from _value(side, depth + 1)
        elif not isinstance(side.value, str):
            text = f"'{side.value}'"
            yield _problem(node, f"compares with {side.value}; cells are text", f"write {text}")


def _notify_style(tree: nodes.Template, known: set[str]) -> Iterator[Problem]:
    """((column)) in the text would be printed as it stands."""
    for data in tree.find_all(nodes.TemplateData):
        for match in re.finditer(r"\(\(([^()]+)\)\)", data.data):
            name = placeholder(match[1].split("??")[0])
            if name in known:
                line = data.lineno + data.data.count("\n", 0, match.start())
                says = f"{match[0]} would be printed as it stands"
                place = f"line {line} of the wording"
                yield Problem(place, says, f"write {{{{ {name} }}}}", line)


def _problem(node: nodes.Node, says: str, remedy: str = "") -> Problem:
    return Problem(f"line {node.lineno} of the wording", says, remedy, node.lineno)


def _not_allowed(node: nodes.Node) -> Problem:
    kinds = [name for kind, name in _NAMES.items() if isinstance(node, kind)]
    what = kinds[0] if kinds else f"“{type(node).__name__.lower()}”"
    return _problem(node, f"{what} is not allowed", _HELP)


def _unknown(name: nodes.Name, known: set[str]) -> Problem:
    close = get_close_matches(name.name, sorted(known), n=1, cutoff=0.5)
    listed = ", ".join(sorted(known)[:20]) or "none"
    remedy = f"did you mean {close[0]}?" if close else f"the list has {listed}"
    return _problem(name, f"there is no column {name.name}", remedy)
