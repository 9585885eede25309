"""What each step of the wizard asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trials.definition import catalogue
from trials.drafting.content import Content, get
from trials.drafting.screening import QUESTIONS
from web.drafting.fields import Field, Options
from web.drafting.sizing.asked import of_size

CHANNELS: Options = (
    ("ivr", "Recorded telephone message", ""),
    ("letter", "Letter", ""),
    ("email", "E-mail", ""),
    ("sms", "Text message", ""),
    ("web", "Web page", ""),
    ("webchat", "Webchat", ""),
    ("auto-reply", "Automated reply", ""),
    ("form", "Online form", ""),
)
AREAS: Options = (
    ("ivr", "Telephone menus and messages", ""),
    ("webchat", "Webchat", ""),
    ("automated-responses", "Automated replies", ""),
    ("waste", "Waste", ""),
    ("housing", "Housing", ""),
    ("other-correspondence", "Other letters and messages", ""),
)
MECHANISMS: Options = (
    ("expectation", "It tells people what will happen, and when", "They need not ask."),
    ("signposting", "It shows the right place first time", "They need not be passed on."),
    ("deflection", "It lets people do it themselves", "They need no officer for it."),
)
TECHNIQUES: Options = (
    ("easy", "Easy", "Fewer steps, plainer words, one thing to do."),
    ("attractive", "Attractive", "It catches the eye; it speaks to this person."),
    ("social", "Social", "It says what others do."),
    ("timely", "Timely", "It comes when people can act on it."),
)
DESIGNS: Options = (
    ("individual", "Each one by itself", "The simplest, and right for most letters and messages."),
    (
        "stratified",
        "Mixed within groups",
        "Within each group, such as a topic, versions are spread evenly.",
    ),
    (
        "cluster",
        "Those who belong together get the same",
        "For example everybody in a household or at one place.",
    ),
    (
        "switchback",
        "Versions take turns by the clock",
        "For a line or page where people cannot be told apart.",
    ),
    (
        "stepped-wedge",
        "Teams or places change over one after the other",
        "Where everybody is to have it in the end.",
    ),
)
_YES_NO: Options = (("yes", "Yes", ""), ("no", "No", ""))


def _idea(content: Content) -> list[Field]:
    tags = {
        t for t in get(content, "trial.techniques") or () if t not in {o[0] for o in TECHNIQUES}
    }
    kept = tuple(
        (t, t.replace(":", ": ").capitalize(), "As your draft names it.") for t in sorted(tags)
    )
    area = get(content, "trial.area")
    areas = AREAS if area in {None, *(a[0] for a in AREAS)} else (*AREAS, (area, area, ""))
    return [
        Field(
            path="trial.title",
            label="Title",
            hint="So that colleagues know it in a list. For example: Council tax reminder, one thing to do.",
        ),
        Field(
            path="trial.hypothesis",
            label="What you will change, and what you expect of it",
            kind="textarea",
            hint="One sentence. For example: leading with the one thing to do lowers calls within 14 days.",
        ),
        Field(
            path="trial.mechanism", label="How should it work?", kind="radios", options=MECHANISMS
        ),
        Field(
            path="trial.techniques",
            label="Which techniques does it use?",
            kind="checkboxes",
            options=(*TECHNIQUES, *kept),
            hint="Easy, attractive, social, timely (EAST). Choose all that apply.",
        ),
        Field(path="trial.service", label="Service", hint="For example: Council Tax."),
        Field(path="trial.area", label="Area of work", kind="select", options=areas),
        Field(path="trial.channel", label="How people meet it", kind="select", options=CHANNELS),
        Field(path="trial.owner", label="Who answers for it", hint="An e-mail address."),
    ]


def _versions(content: Content) -> list[Field]:
    found: list[Field] = []
    for arm in content["arms"]:
        at, today = f"arms.{arm['key']}", bool(arm.get("control"))
        name = arm.get("title") or arm["key"]
        found += [
            Field(
                path=f"{at}.title",
                label="Name of this version",
                heading=f"{name}{' (as it is today)' if today else ''}",
            ),
            Field(
                path=f"{at}.wording",
                label="Wording",
                kind="wording",
                rows=9,
                # Said once, at the first: under every version it would only be in the way.
                hint=""
                if found
                else "Names of columns go between double braces, as in {{ first_name }}.",
            ),
        ]
    found.append(
        Field(
            path="workshop.notes",
            label="What people outside the team said of the wording",
            kind="textarea",
            hint="Optional. Five people of a panel find most of what confuses.",
            heading="Who has read it",
        )
    )
    return found


def choices(content: Content) -> dict[str, tuple[str, str]]:
    """The measures on offer: those of the draft, then the catalogue's; title and definition."""
    known = catalogue.measures()
    own = {m["key"]: (m.get("title") or m["key"], "") for m in content["metrics"]}
    shared = {key: (m.metric.title, m.says) for key, m in known.items()}
    return own | shared


def _measures(content: Content) -> list[Field]:
    offered: Options = tuple((k, *words) for k, words in choices(content).items())
    return [
        Field(
            path="primary",
            label="The one measure that decides",
            kind="radios",
            options=offered,
            hint="The verdict rests on it alone, so that nobody picks the best of many afterwards.",
        ),
        Field(
            path="guardrail",
            label="What must not get worse",
            kind="checkboxes",
            options=offered,
            hint="Each gets a limit in the step on safeguards.",
        ),
        Field(
            path="secondary", label="What else you will look at", kind="checkboxes", options=offered
        ),
    ]


SHARES: Options = (
    ("fixed", "They stay as they are", "Right for nearly every trial, and the surest answer."),
    (
        "day",
        "They move every night towards what does better",
        "Fewer people get the weaker version, and how much better the other is stays less certain.",
    ),
    ("week", "They move every Monday", "The same, where few people come in a day."),
)


def _draw(content: Content) -> list[Field]:
    return [
        Field(
            path="trial.unit",
            label="What is drawn",
            hint="For example: person, household, account, case, chat.",
            width="govuk-input--width-20",
        ),
        Field(path="design.kind", label="How versions are spread", kind="radios", options=DESIGNS),
        Field(
            path="design.strata",
            label="Groups within which versions are mixed",
            kind="list",
            hint="Only if mixed within groups. Columns of your list, with commas, as in: topic, team.",
        ),
        Field(
            path="design.cluster",
            label="What goes together",
            hint="Only if those who belong together get the same, or places change over: a column "
            "of your list, as in household or team.",
        ),
        Field(
            path="design.period",
            label="How long each turn, or each step, lasts",
            kind="length",
            hint="Only if versions take turns (1h or 30m, say) or places change over (2w, say).",
            width="govuk-input--width-5",
        ),
        Field(
            path="design.hours",
            label="When the line or page is open",
            kind="hours",
            rows=3,
            hint="Only if versions take turns, and it closes at times. As in: Mon-Fri 09:00-17:00.",
        ),
        Field(
            path="design.namespace",
            label="Trials that must not share people with this one",
            hint="Optional. Trials with the same name here never share anybody, as in council-tax.",
        ),
        *_shares(content),
        *_crossed(content),
    ]


def _shares(content: Content) -> list[Field]:
    found = [
        Field(
            path="shares",
            label="The versions’ shares",
            kind="radios",
            options=SHARES,
            hint="Let them move only where people come one at a time and what they do is known "
            "within a day or two. Not for a list that goes out at once, not within groups, and not "
            "if you will look before the end.",
            heading="Shares, and several changes at once",
        )
    ]
    if get(content, "design.adaptive") is not None:
        found.append(
            Field(
                path="design.adaptive.floor",
                label="The least share a version keeps",
                kind="percent",
                width="govuk-input--width-5",
                span=(1, 49),
                hint="So that none drops out by bad luck. Left empty, 10% is used.",
            )
        )
    return found


def _crossed(content: Content) -> list[Field]:
    """Which level of each factor a version has; asked where there are enough versions to cross."""
    arms = content["arms"]
    if len(arms) < 4 and not any(arm.get("levels") for arm in arms):
        return []
    return [
        Field(
            path=f"arms.{arm['key']}.levels",
            label=f"What is changed in “{arm.get('title') or arm['key']}”",
            kind="levels",
            # Said once, at the first.
            hint=""
            if n
            else "Only if you try two or three changes at once and every combination of them is a "
            "version: name each change and what this version has, as in tone: warm, link: code. "
            "Today’s version says how things are today. Each change is then compared over "
            "everybody. Leave it empty where the versions are simply different, or where you "
            "expect one change to undo another.",
        )
        for n, arm in enumerate(arms)
    ]


def _dates(content: Content) -> list[Field]:
    del content
    return [
        Field(path="trial.starts", label="First day", kind="date", hint="For example, 27 3 2027."),
        Field(
            path="trial.ends",
            label="Last day",
            kind="date",
            hint="The last day on which anybody is drawn. Contacts are counted a while longer.",
        ),
    ]


def _safeguards(content: Content) -> list[Field]:
    limits = [
        Field(
            path=f"metrics.{m['key']}.margin",
            label=f"How much worse “{m.get('title') or m['key']}” may get at most",
            kind="percent" if m["kind"] == "proportion" else "number",
            width="govuk-input--width-5",
            hint="In percentage points." if m["kind"] == "proportion" else "In its own units.",
        )
        for m in content["metrics"]
        if m.get("role") == "guardrail"
    ]
    return [
        *limits,
        Field(
            path="looks",
            label="When do you look at the result?",
            kind="radios",
            options=(
                ("fixed", "Once, at the end", "The shortest trial for its size."),
                (
                    "three",
                    "At a third, at two thirds and at the end",
                    "It may stop early if the result is plain.",
                ),
                ("always-valid", "At any time", "Safe to watch, and needs more people."),
                *(
                    (("own", "As the file says", "The draft has looks of its own."),)
                    if looks_of(content) == "own"
                    else ()
                ),
            ),
        ),
        Field(
            path="analysis.segments",
            label="Groups you will look at separately",
            kind="list",
            hint="Columns of your list, with commas, as in: has_email, tenure. Named now, so that none is picked afterwards.",
        ),
        Field(
            path="analysis.decision.ship_if_probability",
            label="How sure must you be to keep the new version?",
            kind="select",
            options=(("0.9", "90% sure", ""), ("0.95", "95% sure", ""), ("0.99", "99% sure", "")),
        ),
        Field(
            path="workshop.forecasts",
            label="What does each of you expect?",
            kind="textarea",
            hint="A line each: a name, and how likely the new version is to be better. For example: Asha, 70%, or Ben, 60%, 2 points fewer. Kept at launch, and compared with the result.",
        ),
    ]


def shares_of(content: Content) -> str:
    """Whether the shares stay, or how often they move."""
    adaptive = get(content, "design.adaptive")
    return str(adaptive.get("every", "day")) if isinstance(adaptive, dict) else "fixed"


def looks_of(content: Content) -> str:
    """Which of the offered looks the draft has."""
    looks = get(content, "analysis.looks")
    if isinstance(looks, dict):
        return (
            "three" if len(looks.get("fractions", ())) == 3 and not looks.get("futility") else "own"
        )
    return str(looks or "fixed")


def _screening(content: Content) -> list[Field]:
    del content
    asked = [
        Field(
            path=f"workshop.screening.{q.key}",
            label=q.asks,
            hint=q.help,
            kind="radios",
            options=_YES_NO,
        )
        for q in QUESTIONS
    ]
    return [
        *asked,
        Field(
            path="workshop.data.keeps",
            label="What data about people are used, and how long are they kept?",
            kind="textarea",
            hint="For the data protection officer. Identifiers are scrambled before they are stored.",
        ),
        Field(
            path="workshop.data.assessment",
            label="Data protection impact assessment",
            hint="Its reference, or why none is needed.",
        ),
        Field(
            path="workshop.equality.note",
            label="Who could find it harder, and what will you do for them?",
            kind="textarea",
            hint="Think of people who are not online, who need to ring, who read little English, or who cannot see well.",
        ),
    ]


_ASKED: Mapping[str, Callable[[Content], list[Field]]] = {
    "idea": _idea,
    "versions": _versions,
    "measures": _measures,
    "draw": _draw,
    "size": of_size,
    "dates": _dates,
    "safeguards": _safeguards,
    "screening": _screening,
}


def of(step: str, content: Content) -> list[Field]:
    """What a step asks of this draft; nothing on the last one."""
    return _ASKED[step](content) if step in _ASKED else []
