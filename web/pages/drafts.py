"""The wizard: drafts from a template, a file or nothing, saved at every step."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials import resources
from trials.definition import toml
from trials.drafting import amending, drafts, signoff, steps
from trials.drafting import content as contents
from trials.drafting.content import Content
from trials.drafting.drafts import Clash, Draft
from trials.errors import Conflict, Invalid, NotFound
from web.access import Permission, needs, signed_in, store
from web.drafting import beside, changing, fields, questions, reading, summary
from web.filled import Filled, sent

pages = Blueprint("drafting", __name__)
_LONGEST_FILE = 512 * 1024


@pages.get("/drafts")
@needs(Permission.SEE_TRIALS)
def index() -> str:
    """The trials being written."""
    with store().read() as session:
        found = drafts.everything(session)
        lines = [(d, len(steps.missing(d.content)), signoff.standing(session, d)) for d in found]
        user = signed_in()
        mine = {
            d.id
            for d in found
            if signoff.waits_for(session, d, actor=user.email, account=user.role)
        }
    return render_template(
        "pages/drafts/index.html", lines=lines, mine=mine, steps=len(steps.STEPS)
    )


@pages.get("/drafts/new")
@needs(Permission.EDIT_TRIALS)
def new() -> str:
    """What to start from."""
    return _new_page(Filled({"from": "blank"}))


@pages.post("/drafts/new")
@needs(Permission.EDIT_TRIALS)
def start() -> ResponseReturnValue:
    """Start a draft."""
    filled, owner = sent(), signed_in().email
    try:
        content = _first(filled, owner)
    except Invalid as failure:
        return _new_page(filled.wrong("file", "; ".join(str(p) for p in failure.problems))), 422
    except ValueError as failure:
        field, says = failure.args
        return _new_page(filled.wrong(field, says)), 422
    with store().write() as session:
        draft = drafts.start(session, content, origin=filled["from"] or "blank", actor=owner)
    return redirect(url_for("drafting.overview", number=draft.id), 303)


@pages.get("/drafts/<int:number>")
@needs(Permission.SEE_TRIALS)
def overview(number: int) -> str:
    """The nine steps and what each still lacks."""
    with store().read() as session:
        draft = drafts.load(session, number)
        history = drafts.history(session, number)[:10]
        agreed = signoff.standing(session, draft)
        changed = changing.of(session, draft)
    lacks = steps.missing(draft.content)
    return render_template("pages/drafts/overview.html", draft=draft, steps=steps.STEPS,
                           lacks=lacks, history=history, agreed=agreed, changed=changed,
                           titles={s.key: s.title for s in steps.STEPS})  # fmt: skip


@pages.get("/drafts/<int:number>/trial.toml")
@needs(Permission.SEE_TRIALS)
def export(number: int) -> ResponseReturnValue:
    """The draft as a trial file, as far as it goes."""
    with store().read() as session:
        draft = drafts.load(session, number)
    answer = make_response(drafts.to_toml(draft))
    answer.headers["Content-Type"] = "application/toml; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{draft.key}.toml"'
    return answer


@pages.get("/drafts/<int:number>/<step>")
@needs(Permission.EDIT_TRIALS)
def step(number: int, step: str) -> str:
    """One step, as it is saved."""
    _known(step)
    with store().read() as session:
        draft = drafts.load(session, number)
    return _step_page(draft, step, draft.content, {}, {})


@pages.post("/drafts/<int:number>/<step>")
@needs(Permission.EDIT_TRIALS)
def save(number: int, step: str) -> ResponseReturnValue:
    """Save a step; what somebody else changed meanwhile is kept and shown."""
    _known(step)
    with store().read() as session:
        draft = drafts.load(session, number)
        base = _base(draft)
        fixed = amending.fixed(session, draft)
        was = drafts.as_it_was(session, number, base)
    if fixed and (step == "draw" or _arms_asked(was, step)):
        raise Conflict(
            "versions have been given out, so neither they nor how they are spread can change",
            "stop this trial and start another",
        )
    values, wrong = reading.read(step, was, request.form)
    if wrong:
        return _step_page(draft, step, was, wrong, {}, base=base), 422
    values |= _arms_asked(was, step)
    try:
        with store().write() as session:
            drafts.save(session, number, step=step, base=base, values=values,
                        actor=signed_in().email)  # fmt: skip
    except Clash as clash:
        return _step_page(clash.draft, step, was, {}, clash.saved), 409
    return redirect(_onwards(number, step), 303)


@pages.post("/drafts/<int:number>/discard")
@needs(Permission.EDIT_TRIALS)
def discard(number: int) -> ResponseReturnValue:
    """Put a draft away; it stays on record."""
    with store().write() as session:
        draft = drafts.discard(session, number, actor=signed_in().email)
    flash(f"“{draft.title}” was put away. It stays on record.")
    return redirect(url_for("drafting.index"), 303)


def _known(step: str) -> None:
    if step == "check" or steps.step(step) is None:
        raise NotFound("the wizard has no such step", "choose one from the draft's overview")


def _new_page(filled: Filled) -> str:
    return render_template("pages/drafts/new.html", filled=filled, templates=beside.templates())


def _first(filled: Filled, owner: str) -> Content:
    """The content asked for. Raises ``ValueError`` with the field at fault and what to do."""
    wanted = filled["from"]
    if wanted == "file":
        file = request.files.get("file")
        data = file.stream.read(_LONGEST_FILE + 1) if file and file.filename else b""
        if not data or len(data) > _LONGEST_FILE:
            raise ValueError(
                "file", "Choose a trial file of up to half a megabyte, ending in .toml"
            )
        try:
            return drafts.from_toml(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ValueError(
                "file", "The file is not text in UTF-8: save it again as plain text"
            ) from None
    if wanted in {name for name, _, _ in beside.templates()}:
        path = resources.folder("templates") / "trials" / f"{wanted}.toml"
        content = drafts.template(toml.read(path.read_text("utf-8"), path.name), owner)
        if filled["title"]:
            content["trial"] |= {
                "title": filled["title"][:200],
                "key": contents.new_key(filled["title"], set()),
            }
        return content
    if wanted != "blank":
        raise ValueError("from", "Choose what to start from")
    if not filled["title"]:
        raise ValueError("title", "Write a title, so that colleagues know the trial in a list")
    title = filled["title"][:200]
    return contents.blank(contents.new_key(title, set()), title, owner)


def _base(draft: Draft) -> int:
    text = request.form.get("base", "")
    if not text.isdecimal() or not 1 <= int(text) <= draft.version:
        raise NotFound(
            "the page you sent belongs to no version of this draft", "open the step again"
        )
    return int(text)


def _arms_asked(was: Content, step: str) -> dict[str, object]:
    """A version to add or to take away, where a button of the step on versions asks for it."""
    if step != "versions":
        return {}
    if request.form.get("do") == "add":
        key = reading.new_arm(was)
        return {f"arms.{key}": {"title": "A new version", "wording": reading.wording_of_today(was)}}
    gone = request.form.get("do", "").removeprefix("remove:")
    if any(a["key"] == gone and not a.get("control") for a in was["arms"]):
        return {f"arms.{gone}": None}
    return {}


def _onwards(number: int, step: str) -> str:
    """The next step; back to this one or to the overview where its button was pressed."""
    wanted = request.form.get("do", "")
    if wanted in ("stay", "add") or wanted.startswith("remove:"):
        return url_for("drafting.step", number=number, step=step) + "#beside"
    following = steps.after(step)
    if wanted == "later" or following is None:
        return url_for("drafting.overview", number=number)
    if following.key == "check":
        return url_for("signoffs.check", number=number)
    return url_for("drafting.step", number=number, step=following.key)


def _step_page(
    draft: Draft, step: str, was: Content, wrong: dict[str, str], saved: dict[str, object],
    *, base: int | None = None,
) -> str:  # fmt: skip
    """A step with what was typed, where something was; ``saved`` is what somebody else wrote."""
    asked = questions.of(step, was)
    typing = request.method == "POST"
    answers = {f.name: fields.typed(f, request.form) for f in asked} if typing else (
        fields.answers(asked, reading.seen(step, was)))  # fmt: skip
    rivals, problems = {}, dict(wrong)
    now = reading.seen(step, draft.content)
    for field in asked:
        if field.path in saved or ("metrics" in saved and step == "measures"):
            rivals[field.name] = fields.shown(field, now)
            problems[field.name] = (
                f"{draft.updated_by} changed “{field.label}” while you were writing. "
                "Both are shown: keep yours or put theirs in, and save again"
            )
    if saved and not rivals:
        problems[""] = (
            f"{draft.updated_by} changed this while you were writing. Look at it and save again"
        )
    with store().read() as session:
        shown = beside.of(step, draft.content, session)
        fixed = amending.fixed(session, draft)
    return render_template(
        "pages/drafts/step.html", draft=draft, step=steps.step(step), fields=asked, answers=answers,
        filled=Filled({}, problems), rivals=rivals, base=base or draft.version, beside=shown,
        place=[s.key for s in steps.STEPS].index(step) + 1, count=len(steps.STEPS),
        lacks=steps.missing(draft.content).get(step, []), fixed=fixed,
        told=summary.answers(step, draft.content),
    )  # fmt: skip
