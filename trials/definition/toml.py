"""The trial file: TOML in and out.

:func:`read` lists every rule that a file breaks, each with its line and a remedy; :func:`write`
gives a text that reads back to an equal definition.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError

from trials.definition import model, rules, wording
from trials.definition.lines import Path, line_of, positions
from trials.definition.near import listed, nearest
from trials.errors import Invalid, Problem

_SINGLE: dict[str, type[BaseModel]] = {
    "trial": model.About,
    "design": model.Design,
    "analysis": model.Analysis,
}
_MANY: dict[str, type[BaseModel]] = {"arms": model.Arm, "metrics": model.Metric}
_REQUIRED_TABLES = ("trial", "arms", "metrics")


def read(text: str, name: str = "trial file") -> model.Trial:
    """The trial that a TOML text defines.

    Raises:
        Invalid: the text breaks one or more rules; all of them are in ``problems``.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise Invalid(name, [_syntax(failure)]) from None
    return from_data(data, name=name, lines=positions(text))


def from_data(
    data: Mapping[str, Any], *, name: str = "trial", lines: dict[Path, int] | None = None
) -> model.Trial:
    """The trial that plain data of the file's shape defines (a form, the API, a stored draft).

    Raises:
        Invalid: as :func:`read`; without ``lines`` problems name the key but no line.
    """
    problems = list(_unknown_tables(data))
    parts, failures = _parts(data)
    problems += failures
    spoken = {path for path, _, _ in failures} | {_meant(*failure) for failure in failures}
    problems += [(b.path, b.says, b.remedy) for b in rules.breaches(parts) if b.path not in spoken]
    problems += list(_wordings(parts))
    if problems:
        raise Invalid(name, _located(problems, lines or {}))
    assert parts.about
    assert parts.design
    assert parts.analysis
    return model.Trial(
        about=parts.about,
        design=parts.design,
        arms=tuple(parts.arms.values()),
        metrics=tuple(parts.metrics.values()),
        analysis=parts.analysis,
    )


_Found = tuple[Path, str, str]


def _parts(data: Mapping[str, Any]) -> tuple[rules.Parts, list[_Found]]:
    found: list[_Found] = []
    single = {
        table: _one(kind, data.get(table, {}), (table,), found) for table, kind in _SINGLE.items()
    }
    many: dict[str, dict[int, Any]] = {}
    counts: dict[str, int] = {}
    for table, kind in _MANY.items():
        entries = data.get(table, [])
        if not isinstance(entries, list):
            found.append(((table,), f"{table} must be a list of tables", f"write [[{table}]]"))
            entries = []
        counts[table] = len(entries)
        built = {i: _one(kind, entry, (table, i), found) for i, entry in enumerate(entries)}
        many[table] = {i: part for i, part in built.items() if part is not None}
    parts = rules.Parts(
        about=single["trial"], design=single["design"], analysis=single["analysis"],
        arms=many["arms"], metrics=many["metrics"],
        arm_count=counts["arms"], metric_count=counts["metrics"],
    )  # fmt: skip
    return parts, found


def _one(kind: type[BaseModel], entry: object, path: Path, found: list[_Found]) -> Any:
    if not isinstance(entry, Mapping):
        found.append((path, f"{path[0]} must be a table", f"write [{path[0]}]"))
        return None
    try:
        return kind.model_validate(dict(entry))
    except ValidationError as failure:
        errors = failure.errors()
        found.extend(_said(kind, error, path) for error in errors)
        return _rest(kind, entry, {error["loc"][0] for error in errors if error["loc"]})


def _rest(kind: type[BaseModel], entry: Mapping[str, Any], broken: set[str | int]) -> Any:
    """What is left of a part without its broken keys, so that the other rules still see it."""
    try:
        return kind.model_validate({k: v for k, v in entry.items() if k not in broken})
    except ValidationError:
        return None


def _meant(path: Path, _says: str, remedy: str) -> Path:
    """The path of the key that a mistyped one was meant to be; a rule need not repeat it."""
    quoted = remedy.split("'")
    return (*path[:-1], quoted[1]) if len(quoted) > 1 else path


def _said(kind: type[BaseModel], error: Any, path: Path) -> _Found:
    """One pydantic error as a sentence and a remedy in the file's own words."""
    inner = tuple(part for part in error["loc"] if not _is_branch(part))
    where = (*path, *inner)
    key = str(inner[-1]) if inner else str(path[0])
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            guess = nearest(key, _fields(kind, inner[:-1]))
            return where, f"unknown key {key!r}", f"did you mean {guess!r}?"
        case "missing":
            return where, f"{key!r} is missing", f"add {key} = …"
        case "literal_error":
            given = error["input"]
            choices = _choices(kind, inner)
            guess = nearest(str(given), choices)
            return where, f"{key!r} is {given!r}", f"did you mean {guess!r}? Use {listed(choices)}"
        case "string_pattern_mismatch":
            return where, f"{key!r} is {error['input']!r}", "use lower-case letters, digits, dashes"
        case "value_error":
            return where, f"{key!r} {context.get('error', error['msg'])}", "correct the value"
        case _:
            says = error["msg"][0].lower() + error["msg"][1:]
            return where, f"{key!r}: {says}", "correct the value"


def _is_branch(part: str | int) -> bool:
    """Pydantic names the branch of a union that failed; readers know nothing of branches."""
    return isinstance(part, str) and (part == "Looks" or part.startswith(("literal[", "function-")))


def _fields(kind: type[BaseModel], inner: Path) -> list[str]:
    for part in inner:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _nested(kind.model_fields[part].annotation) or kind
    return list(kind.model_fields)


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for option in getattr(annotation, "__args__", ()):
        if (found := _nested(option)) is not None:
            return found
    return None


def _choices(kind: type[BaseModel], inner: Path) -> list[str]:
    """The words that the literal at ``inner`` admits."""
    for part in inner[:-1]:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _nested(kind.model_fields[part].annotation) or kind
    return list(_words(kind.model_fields[str(inner[-1])].annotation))


def _words(annotation: Any) -> Iterator[str]:
    for option in getattr(annotation, "__args__", ()):
        if isinstance(option, str):
            yield option
        else:
            yield from _words(option)


def _unknown_tables(data: Mapping[str, Any]) -> Iterator[_Found]:
    known = [*_SINGLE, *_MANY]
    for table in data:
        if table not in known:
            yield (table,), f"unknown table {table!r}", f"did you mean {nearest(table, known)!r}?"
    for table in _REQUIRED_TABLES:
        if table not in data and table == "trial":
            yield (table,), "the [trial] table is missing", "add [trial] with a key and a title"


def _wordings(parts: rules.Parts) -> Iterator[_Found]:
    """Wording whose template syntax is refused; placeholders are checked with the unit list."""
    for i, arm in parts.arms.items():
        for problem in wording.syntax(arm.wording):
            yield ("arms", i, "wording"), f"arm {arm.key!r}: {problem.says}", problem.remedy


def _located(found: list[_Found], lines: dict[Path, int]) -> list[Problem]:
    problems = [
        Problem(_place(path, line_of(lines, path)), says, remedy, line_of(lines, path))
        for path, says, remedy in found
    ]
    return sorted(problems, key=lambda problem: problem.line or 0)


def _place(path: Path, line: int | None) -> str:
    table = str(path[0]) if path else ""
    key = ".".join(str(part) for part in path[1:] if isinstance(part, str))
    name = f"[[{table}]]" if table in _MANY else f"[{table}]"
    place = f"{name} {key}".strip()
    return f"line {line}, {place}" if line else place


def _syntax(failure: tomllib.TOMLDecodeError) -> Problem:
    says = str(failure)
    line = next((int(w.rstrip(",)")) for w in says.split() if w.rstrip(",)").isdigit()), None)
    return Problem("", f"not valid TOML: {says}", "correct the syntax there", line)


_DURATIONS = {"window", "period", "burn_in"}


def to_data(trial: model.Trial) -> dict[str, Any]:
    """The trial as plain data of the file's shape, defaults left out."""
    return {
        "trial": _plain(trial.about),
        "design": _plain(trial.design),
        "arms": [_plain(arm) for arm in trial.arms],
        "metrics": [_plain(metric) for metric in trial.metrics],
        "analysis": _plain(trial.analysis),
    }


def _plain(part: BaseModel) -> dict[str, Any]:
    values = part.model_dump(exclude_defaults=True, exclude_none=True)
    return {
        key: model.duration(value) if key in _DURATIONS else _listed(value)
        for key, value in values.items()
    }


def _listed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return value


def write(trial: model.Trial) -> str:
    """The trial as a TOML text that :func:`read` turns back into an equal definition."""
    return tomli_w.dumps(to_data(trial), multiline_strings=True)


def write_data(data: Mapping[str, Any]) -> str:
    """Plain data of the file's shape as TOML, complete or not; empty parts are left out."""
    return tomli_w.dumps({k: v for k, v in data.items() if v}, multiline_strings=True)
