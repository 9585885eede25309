"""How a trial is connected to where people meet it: the very lines to copy, for its channel."""

from __future__ import annotations

from dataclasses import dataclass

from trials.definition.model import Trial

WEBSITE = ("web", "webchat", "form", "auto-reply")
LISTS = ("letter", "email", "sms")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to connect: what it is for, what to do, and code to copy."""

    title: str
    says: str
    code: str
    kind: str = ""


def recipes(trial: Trial, home: str, allowed: tuple[str, ...]) -> list[Recipe]:
    """What fits ``trial``, the likeliest first. ``home`` is the address of this server."""
    kind, channel = trial.design.kind, trial.about.channel
    if kind in ("switchback", "stepped-wedge"):
        return _by_calendar(trial) if kind == "switchback" else _wedge(trial)
    if channel in LISTS or kind == "cluster" or _listed_namespace(trial):
        return _by_list(trial)
    if trial.design.strata and channel is not None:
        return _within_strata(trial, home)
    if channel == "ivr":
        return _telephone(trial, home)
    if channel in WEBSITE or channel is None:
        chat = [_chat()] if channel == "webchat" else []
        return [_snippet(trial, home, allowed), *chat, *_server(trial, home)]
    return _by_list(trial)


def _listed_namespace(trial: Trial) -> bool:
    return trial.design.namespace is not None and trial.design.namespace_share is None


def _by_calendar(trial: Trial) -> list[Recipe]:
    key = trial.key
    return [
        Recipe("Put the schedule in the diary of whoever switches the line",
               "The line plays one message at a time and is switched by the clock. Print the sheet "
               "for the telephony team, or send them the calendar file.",
               f"signpost trial schedule {key} -o {key}.html\n"
               f"signpost trial schedule {key} -o {key}.ics"),
        Recipe("In 8x8",
               "Make a schedule in the call flow with a time frame for each line of the sheet, and "
               "let it lead to the greeting of that line. Contacts are matched to the message by "
               "their time, so nothing has to be recorded by hand.",
               f"signpost trial schedule {key} --format csv -o {key}.csv"),
    ]  # fmt: skip


def _wedge(trial: Trial) -> list[Recipe]:
    return [
        Recipe("Draw who goes over when",
               "List the clusters (teams, wards, rounds) in a file with a column 'cluster' to draw "
               "their order. Each goes over on its day and stays with the new version.",
               "signpost trial schedule "
               f"{trial.key} --clusters clusters.csv -o {trial.key}.html"),
        Recipe("Tell Signpost who was served by which cluster",
               "Send the units with their cluster, arm and date, as they were served.",
               f"signpost import assignments {trial.key} served.csv"),
    ]  # fmt: skip


def _by_list(trial: Trial) -> list[Recipe]:
    key = trial.key
    columns = ", ".join(["unit", *trial.columns])
    first = Recipe(
        "Load the list",
        f"The list is a CSV file with the columns {columns}. One file comes back for each version; "
        "give these to the mail house or the e-mail tool.",
        f"signpost units add {key} list.csv --out {key}-files",
    )
    if trial.about.channel not in ("email", "sms"):
        return [first]
    return [
        first,
        Recipe("With GOV.UK Notify",
               "Make one Notify template for each version, from the text beside each file. The "
               "files have the columns that Notify asks for, and a reference for each person.",
               f"signpost units add {key} list.csv --out {key}-files --format notify"),
        Recipe("Send them, and see what arrived",
               "Sent through Notify's own Python client with the reference, every message can be "
               "followed to the person it went to. What was sent before is not sent again.",
               _SEND.format(folder=f"{key}-files", arms=", ".join(f'"{a.key}": "TEMPLATE-ID"'
                            for a in trial.arms), send=_SENDERS[trial.about.channel]), "python"),
        Recipe("Tell Signpost what arrived",
               "A delivery is when somebody met their version. Do it as often as you like.",
               f"signpost import deliveries {key} statuses.json"),
    ]  # fmt: skip


def _within_strata(trial: Trial, home: str) -> list[Recipe]:
    given = ", ".join(f'"{name}": "…"' for name in trial.design.strata)
    return [
        Recipe(
            "Ask once it is certain that somebody takes part",
            "The stratum goes with the question. The next version is not known before, and is used "
            "up by asking: confirm first that the person may take part.",
            f"curl -s {home}/api/v1/trials/{trial.key}/assign \\\n"
            '  -H "Authorization: Bearer YOUR-KEY" -H "Content-Type: application/json" \\\n'
            f'  -d \'{{"unit": "chat-17", "attributes": {{{given}}}}}\'',
        )
    ]


def _telephone(trial: Trial, home: str) -> list[Recipe]:
    url = f"{home}/api/v1/trials/{trial.key}/assign"
    arms = ", ".join(f"“{arm.key}”" for arm in trial.arms)
    control = trial.control.key
    return [
        Recipe("Make a key",
               "The platform needs a key that may ask for arms. It is shown once.",
               "signpost key add --name telephony --scope assign"),
        Recipe("From a platform that can ask",
               f"Request this address with the header below for every call, read “arm” ({arms}) "
               "from the answer and branch on it. Let the branch for an error or a timeout be "
               f"“{control}”.",
               f"GET {url}?unit={{callingNumber}}&phone={{callingNumber}}\n"
               "Authorization: Bearer YOUR-KEY"),
        Recipe("In 8x8: a data-augmentation variable",
               "Run this where a call’s identifier and number are known. It sets the variable "
               "“_trialArm”; a Test Variable node of the call flow branches on it, and leads to "
               f"“{control}” where it has no value. EIGHT_TOKEN is “tenantId:token” of 8x8’s Data "
               "Augmentation API, which takes 100 requests a minute.",
               _EIGHT.format(url=url, control=control), "python"),
        Recipe("In Amazon Connect: a Lambda",
               "An “Invoke AWS Lambda” block gives the flow these values as $.External.arm. The "
               "function answers within a second, with the control if Signpost does not.",
               _LAMBDA.format(url=url, control=control), "python"),
    ]  # fmt: skip


def _snippet(trial: Trial, home: str, allowed: tuple[str, ...]) -> Recipe:
    other = next(arm.key for arm in trial.arms if not arm.control)
    sites = ", ".join(allowed)
    says = (
        "Works on LocalGov Drupal and any other site. The page shows the control until Signpost "
        "answers, and keeps it if nothing comes within 300 milliseconds. No cookie is set. "
        "Visitors who send Do Not Track or Global Privacy Control get it too and go unrecorded. "
    )
    says += (
        f"Websites that may ask: {sites}." if sites else
        "An administrator must name the website in SIGNPOST_ALLOWED_ORIGINS first."
    )  # fmt: skip
    return Recipe("On a website: two lines in the page", says,
                  f'<p data-signpost-arm="{other}" hidden>The new wording</p>\n'
                  f'<p data-signpost-arm="{trial.control.key}">The wording of today</p>\n'
                  f'<script src="{home}/site/v1/signpost.js" data-trial="{trial.key}"\n'
                  '        crossorigin="anonymous" defer></script>', "html")  # fmt: skip


def _chat() -> Recipe:
    return Recipe(
        "In 8x8 webchat: a variable",
        "On a page that has the script above and the chat. The variable stays with the chat and is "
        "read when its contacts are imported.",
        '<script>\n  document.addEventListener("signpost:arm", function (event) {\n'
        "    if (event.detail.enrolled) "
        'chatApp.setVariables({ "_trialArm": event.detail.arm });\n  });\n</script>',
        "html",
    )


def _server(trial: Trial, home: str) -> list[Recipe]:
    return [
        Recipe("From a server",
               "A web server, a webchat platform or an auto-reply asks with a key, which "
               "“signpost key add --name website --scope assign” makes.",
               f"curl -s {home}/api/v1/trials/{trial.key}/assign \\\n"
               '  -H "Authorization: Bearer YOUR-KEY" -H "Content-Type: application/json" \\\n'
               "  -d '{\"unit\": \"visitor-17\"}'"),
        Recipe("With OpenFeature",
               "Any OpenFeature client with the OFREP provider works; the trial is the flag.",
               f"OFREP_ENDPOINT={home}\nFLAG={trial.key}"),
    ]  # fmt: skip


_SENDERS = {
    "email": 'send_email_notification(row.pop("email address"), template,',
    "sms": 'send_sms_notification(row.pop("phone number"), template,',
}

_SEND = """import csv, json, os
from notifications_python_client.notifications import NotificationsAPIClient

TEMPLATES = {{{arms}}}
notify = NotificationsAPIClient(os.environ["NOTIFY_KEY"], os.environ.get(
    "NOTIFY_URL", "https://api.notifications.service.gov.uk"))

def send(folder="{folder}"):
    sent = {{one["reference"] for one in notify.get_all_notifications_iterator()}}
    for arm, template in TEMPLATES.items():
        with open(f"{{folder}}/{{arm}}.csv", encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                reference = row.pop("signpost reference")
                if reference not in sent:
                    notify.{send}
                        personalisation=row, reference=reference)

def statuses(path="statuses.json"):
    with open(path, "w", encoding="utf-8") as out:
        json.dump({{"notifications": list(notify.get_all_notifications_iterator())}}, out)
"""

_EIGHT = """import base64, json, os, urllib.parse, urllib.request

SIGNPOST = "{url}"
EIGHT = os.environ.get("EIGHT_URL", "https://vcc-eu1.8x8.com")

def arm_of(number):
    query = urllib.parse.urlencode({{"unit": number, "phone": number}})
    ask = urllib.request.Request(f"{{SIGNPOST}}?{{query}}", headers={{
        "Authorization": "Bearer " + os.environ["SIGNPOST_KEY"]}})
    try:
        with urllib.request.urlopen(ask, timeout=1) as answer:
            return json.load(answer)["arm"]
    except (OSError, ValueError):
        return "{control}"

def tell(call, number):
    arm = arm_of(number)
    variable = {{"name": "_trialArm", "value": arm, "ivr": True}}
    token = base64.b64encode(os.environ["EIGHT_TOKEN"].encode()).decode()
    send = urllib.request.Request(
        f"{{EIGHT}}/api/v1/interaction/data/{{urllib.parse.quote(call)}}",
        json.dumps({{"data": [{{"variables": [variable]}}]}}).encode(),
        {{"Authorization": f"Basic {{token}}", "Content-Type": "application/json"}})
    urllib.request.urlopen(send, timeout=2).close()
    return arm"""

_LAMBDA = """import json, os, urllib.parse, urllib.request

URL = "{url}"

def handler(event, context):
    number = event["Details"]["ContactData"]["CustomerEndpoint"]["Address"]
    query = urllib.parse.urlencode({{"unit": number, "phone": number}})
    ask = urllib.request.Request(f"{{URL}}?{{query}}", headers={{
        "Authorization": "Bearer " + os.environ["SIGNPOST_KEY"]}})
    try:
        with urllib.request.urlopen(ask, timeout=1) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {{"arm": "{control}", "control": "true", "reason": "unreachable"}}"""
