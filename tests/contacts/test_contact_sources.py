"""Every system's export becomes the same contacts: what each row means, and what is left out."""

import io
import json
from datetime import UTC, datetime

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contacts import mapping
from trials.contacts.record import Contact, Refused, tally
from trials.contacts.settle import settle
from trials.contacts.sources import (
    READERS,
    USUAL,
    ReadOptions,
    detect,
    google_analytics,
    identify,
    notify,
    reader,
    script_paths,
)
from trials.errors import Invalid, NotFound, SignpostError


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def read(source, data, **options):
    data = data.encode() if isinstance(data, str) else data
    return tally(reader(source)(io.BytesIO(data), ReadOptions(**options)))


def one(source, data, **options):
    contacts, done = read(source, data, **options)
    assert not done.refused, done.refused
    assert len(contacts) == 1
    return contacts[0]


PLAIN = """contact_id,occurred_at,channel,line,reason,outcome,handled,wait_seconds,handle_seconds,\
resolved,satisfaction,cost,arm,phone,email
c1,2022-07-04T09:30:00Z,phone,Council Tax,Bill query,handled,,134,00:11:06,yes,4,£5.88,b,07700 900123,
c2,2022-07-04T09:31:00Z,phone,Council Tax,,abandoned-in-queue,,95,,no,,,a,Withheld,
c3,2022-07-04T09:32:00Z,fone,Council Tax,,handled,no,-1,,,,,,2045,jo@example.uk
c4,,webchat,,,,,,,,,,,,JO@example.uk
"""


def test_the_plain_file_is_read_with_every_rule_a_row_breaks_named_at_once():
    contacts, done = read("contacts", PLAIN)
    first, second = contacts
    assert first.occurred_at == at("2022-07-04T09:30:00")
    assert (first.handled, first.wait_seconds, first.handle_seconds) == (True, 134, 666)
    assert (first.resolved, first.satisfaction, first.cost) == (True, 4.0, 5.88)
    assert first.identifiers == (("phone", "+447700900123"),)
    assert second.handled is False
    assert second.identifiers == ()
    assert done.unusable == {"phone: withheld": 1}
    says = {r.file_line: str(r.problem()) for r in done.refused}
    assert set(says) == {4, 5}
    for part in ("channel", "wait_seconds", "contradict", "the nearest is phone"):
        assert part in says[4]
    assert says[5] == "line 5: no occurred_at; give every row the time of the contact"


def test_the_plain_file_needs_an_identifier_and_says_all_that_is_missing():
    with pytest.raises(Invalid) as refused:
        read("contacts", "contact_id,channel\n1,phone\n")
    text = " ".join(map(str, refused.value.problems))
    assert "occurred_at" in text
    assert "identifier" in text


EIGHT_KEYS = """interactionId,originalInteractionId,creationTime,mediaType,direction,channelName,\
queueName,queueWaitDuration,ivrTreatmentDuration,timeToAbandon,participantHandlingDuration,\
participantWrapUpDuration,wrapUpCodeText,customerPhone,customerEmail,externalTransactionData,outcome
int-1,,2022-07-04T09:30:00.000+01:00,Phone,InboundDir,Main,Council Tax,134000,61500,,600000,66000,\
Bill query;Payment,07700900123,,"{""name"":""_trialArm"",""value"":""B""}",Handled
int-2,,2022-07-04T09:31:00.000+01:00,Phone,InboundDir,Main,Council Tax,,90000,,,,,Anonymous,,,EndedInIvr
int-3,,2022-07-04T09:32:00.000+01:00,Phone,InboundDir,Main,Benefits,95000,60000,94600,,,,07700900124,,,"Abandoned,TransferredToQueue"
int-4,,2022-07-04T09:33:00.000+01:00,Chat,InboundDir,Web,Waste,5000,,,300000,,Missed bin,,Jo@Example.UK,_trialArm=A,Handled
int-5,,2022-07-04T09:34:00.000+01:00,Phone,OutboundDir,Main,,,,,,,,07700900123,,,Handled
int-6,int-1,2022-07-04T09:35:00.000+01:00,Phone,InboundDir,Main,Benefits,,,,,,,07700900123,,,Handled
int-7,,2022-07-04T09:36:00.000+01:00,Phone,InboundDir,Main,Benefits,1000,,,,,,07700900123,,,ForwardedToCallback
"""


def test_8x8_keys_in_milliseconds_become_contacts():
    contacts, done = read("8x8", EIGHT_KEYS)
    assert not done.refused
    assert done.left_out == {"an outbound interaction": 1, "a later leg of an earlier contact": 1}
    handled, ivr, queue, chat, back = contacts
    assert handled.occurred_at == at("2022-07-04T08:30:00")
    assert (handled.wait_seconds, handled.ivr_seconds, handled.handle_seconds) == (134, 62, 666)
    assert (handled.line, handled.reason, handled.arm) == ("Council Tax", "Bill query", "B")
    assert (ivr.outcome, ivr.handled, ivr.ivr_seconds) == ("ended-in-ivr", False, 90)
    assert (queue.outcome, queue.wait_seconds) == ("abandoned-in-queue", 95)
    assert (chat.channel, chat.arm, chat.identifiers) == (
        "webchat", "A", (("email", "jo@example.uk"),))  # fmt: skip
    assert (back.outcome, back.handled) == ("call-back", False)
    assert len(read("8x8", EIGHT_KEYS, keep_legs=True)[0]) == 6


@pytest.mark.parametrize(("wait", "handling"), [("00:02:14", "0:10:00"), ("134", "600")])
def test_8x8_labels_with_clock_times_or_seconds_mean_the_same(wait, handling):
    labels = (
        "Interaction ID,Creation Time,Media Type,Direction,Queue Name,Queue Wait Duration,"
        "Participant Handling Duration,Participant Wrap Up Duration,Wrap Up Code Text,"
        "Customer Phone,Outcome\n"
        f"int-1,04/07/2022 09:30:00,Phone,Inbound,Council Tax,{wait},{handling},00:01:06,"
        "Bill query,07700900123,Handled\n"
    )
    contact, by_key = one("8x8", labels), read("8x8", EIGHT_KEYS)[0][0]
    for name in ("contact_id", "occurred_at", "wait_seconds", "handle_seconds", "reason", "line",
                 "outcome", "identifiers"):  # fmt: skip
        assert getattr(contact, name) == getattr(by_key, name)


def test_8x8_json_pages_mean_the_same():
    items = [
        {"key": "interactionId", "label": "Interaction ID", "value": "int-1"},
        {"key": "creationTime", "label": "Creation Time", "value": "2022-07-04T08:30:00.000Z"},
        {"key": "mediaType", "value": "Phone"}, {"key": "direction", "value": "InboundDir"},
        {"key": "queueWaitDuration", "value": {"value": 134000, "ongoing": False}},
        {"key": "participantHandlingDuration", "value": {"value": 600000}},
        {"key": "outcome", "value": ["EndedInIvr", "Handled"]},
        {"key": "customerPhone", "value": "+447700900123"},
    ]  # fmt: skip
    contact = one("8x8", json.dumps({"content": [{"items": items}]}))
    assert (contact.wait_seconds, contact.handle_seconds, contact.outcome) == (134, 600, "handled")
    assert contact.occurred_at == at("2022-07-04T08:30:00")


CONNECT = {
    "ContactId": "a1", "InitialContactId": None, "Channel": "VOICE", "InitiationMethod": "INBOUND",
    "InitiationTimestamp": "2022-07-04T09:30:00Z", "LastUpdateTimestamp": "2022-07-04T09:50:00Z",
    "CustomerEndpoint": {"Address": "+447700900123", "Type": "TELEPHONE_NUMBER"},
    "Queue": {"Name": "Council Tax", "Duration": 134},
    "Agent": {"AgentInteractionDuration": 590, "CustomerHoldDuration": 10, "AfterContactWorkDuration": 66},
    "Attributes": {"trialArm": "B"}, "SomethingNew": {"ignored": [1, 2]},
}  # fmt: skip


def connect(*changes):
    return "".join(json.dumps(CONNECT | change) for change in changes).encode()


def test_amazon_connect_records_without_line_breaks_become_contacts():
    contact = one("amazon-connect", connect({}))
    assert (contact.wait_seconds, contact.handle_seconds, contact.arm) == (134, 666, "B")
    assert (contact.outcome, contact.version) == ("handled", at("2022-07-04T09:50:00"))


def test_amazon_connect_delivers_at_least_once_and_the_latest_update_wins():
    late = {
        "LastUpdateTimestamp": "2022-07-04T10:10:00Z",
        "Attributes": {"trialArm": "B", "wrapCode": "Bill"},
    }
    for order in (({}, late, {}), (late, {}, {}), ({}, {}, late)):
        settled = settle(read("amazon-connect", connect(*order))[0])
        assert [c.reason for c in settled.contacts] == ["Bill"]
        assert settled.repeats + settled.corrections == 2


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"Agent": None}, "abandoned-in-queue"), ({"Agent": None, "Queue": None}, "ended-in-ivr"),
     ({"NextContactId": "a2"}, "transferred"), ({"Agent": None, "NextContactId": "a2"}, "call-back"),
     ({"Agent": None, "Queue": None, "Channel": "CHAT"}, "other")],
)  # fmt: skip
def test_amazon_connect_outcomes_follow_from_agent_and_queue(change, outcome):
    assert one("amazon-connect", connect(change)).outcome == outcome


def test_amazon_connect_leaves_out_what_the_customer_did_not_begin():
    changes = ({"InitiationMethod": "OUTBOUND"}, {"Channel": "TASK"},
               {"InitiationMethod": "TRANSFER", "InitialContactId": "a0"})  # fmt: skip
    contacts, done = read("amazon-connect", connect(*changes))
    assert contacts == []
    assert sum(done.left_out.values()) == 3


def segment(kind, start, end, **more):
    return {"segmentType": kind, "segmentStart": f"2022-07-04T09:{start}.000Z",
            "segmentEnd": f"2022-07-04T09:{end}.000Z", **more}  # fmt: skip


def genesys(*participants, **more):
    caller = {"purpose": "customer", "attributes": {"trialArm": "B"},
              "sessions": [{"mediaType": "voice", "ani": "tel:+447700900123"}]}  # fmt: skip
    return json.dumps({"conversations": [
        {"conversationId": "g1", "conversationStart": "2022-07-04T09:30:00.000Z",
         "originatingDirection": "inbound", "participants": [caller, *participants], **more}]})  # fmt: skip


IVR = {"purpose": "ivr", "sessions": [
    {"flow": {"flowName": "Main", "exitReason": "DISCONNECT"},
     "segments": [segment("ivr", "30:00", "31:30")]}]}  # fmt: skip
ACD = {"purpose": "acd", "sessions": [
    {"segments": [segment("delay", "31:30", "33:44", queueId="q-1")]}]}  # fmt: skip
AGENT = {"purpose": "agent", "sessions": [{"segments": [
    segment("alert", "33:40", "33:44"), segment("interact", "33:44", "43:44"),
    segment("wrapup", "43:44", "44:50", wrapUpCode="wc-7")]}]}  # fmt: skip


def test_a_genesys_conversation_is_one_contact_whatever_its_segments():
    contact = one("genesys", genesys(IVR, ACD, AGENT))
    assert (contact.ivr_seconds, contact.wait_seconds, contact.handle_seconds) == (90, 134, 666)
    assert (contact.outcome, contact.line, contact.reason, contact.arm) == (
        "handled", "q-1", "wc-7", "B")  # fmt: skip
    assert contact.identifiers == (("phone", "+447700900123"),)
    assert one("genesys", genesys(IVR)).outcome == "ended-in-ivr"
    assert one("genesys", genesys(IVR)).line == "Main"
    assert one("genesys", genesys(IVR, ACD)).outcome == "abandoned-in-queue"
    _, done = read("genesys", genesys(originatingDirection="outbound"))
    assert done.left_out == {"an outbound conversation": 1}


FIRMSTEP = ("Case ref,Created,Channel,Service/Topic,Reason,Sub-reason,Officer,Email present,UPRN,Closed\n"
            "FS-1,04/07/2022 09:30,Telephone,Waste,Missed bin,Too early,J Smith,No,000100023336956,\n"
            "FS-2,04/07/2022 10:30,Web form,Revenues,Discount,,J Smith,Yes,n/a,\n")  # fmt: skip


def test_firmstep_wrap_codes_keep_both_levels_and_drop_the_officer():
    contacts, done = read("firmstep", FIRMSTEP)
    assert not done.refused
    first, second = contacts
    assert (first.channel, first.topic, first.reason) == (
        "phone",
        "Waste",
        "Missed bin > Too early",
    )
    assert (first.email_on_record, first.identifiers) == (False, (("uprn", "100023336956"),))
    assert (second.channel, second.reason, second.email_on_record) == ("form", "Discount", True)
    assert "Smith" not in repr(contacts)


SAVED = """
name = "wychbridge-crm"
derive_ids = true
[columns]
occurred_at = ["Day", "Time"]
topic = "Service"
reason = ["Reason", "Detail"]
handle_seconds = ["Talk", "Wrap"]
phone = "CLI"
[values.topic]
"CTAX" = "Council Tax"
"*" = "Other services"
[constants]
channel = "phone"
[units]
handle_seconds = "min"
[leave_out]
Direction = ["Out"]
"""


def test_a_workbook_by_a_saved_mapping():
    book = openpyxl.Workbook()
    for row in (["Exported from CRM"], ["Day", "Time", "Service", "Reason", "Detail", "Talk", "Wrap", "CLI", "Direction"],
                ["04/07/2022", "09:30", "CTAX", "Bill", "Query", 10, 1.1, 7700900123, "In"],
                ["04/07/2022", "09:31", "BENS", "Form", None, 2, None, "withheld", "In"],
                ["04/07/2022", "09:31", "BENS", "Form", None, 2, None, "withheld", "In"],
                ["04/07/2022", "09:32", "BENS", "Form", None, 2, None, "withheld", "Out"]):  # fmt: skip
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    saved = mapping.load(SAVED + "").model_copy(update={"skip_lines": 1})
    contacts, done = tally(mapping.read(io.BytesIO(out.getvalue()), saved))
    assert (len(contacts), done.left_out) == (3, {"left out by the mapping": 1})
    first, second, third = contacts
    assert (first.topic, first.reason, first.handle_seconds) == ("Council Tax", "Bill > Query", 666)
    assert first.identifiers == (("phone", "+447700900123"),)
    assert (second.topic, second.handle_seconds, second.contact_id) == ("Other services", 120, "")
    assert second == type(third)(**{**_fields(third), "file_line": second.file_line})


def _fields(contact):
    return {name: getattr(contact, name) for name in Contact.__dataclass_fields__}


def test_a_mapping_is_written_and_read_back_the_same():
    saved = mapping.load(SAVED)
    assert mapping.load(mapping.dumps(saved)) == saved


@pytest.mark.parametrize(
    ("text", "says"),
    [("x = ", "TOML"), ('name="a"\n[columns]\noccured_at="x"', "did you mean occurred_at"),
     ('name="a"\ncolums = 1\n[columns]\noccurred_at="x"\ncontact_id="y"', "did you mean columns"),
     ('name="a"\ntimezone="Mars"\n[columns]\noccurred_at="x"\ncontact_id="y"', "time zone"),
     ('name="a"\nencoding="klingon"\n[columns]\noccurred_at="x"\ncontact_id="y"', "encoding"),
     ('name="a"\n[columns]\noccurred_at="x"', "derive_ids")],
)  # fmt: skip
def test_a_mapping_with_a_mistake_is_refused_with_the_remedy(text, says):
    with pytest.raises(Invalid) as refused:
        mapping.load(text)
    assert says in " ".join(map(str, refused.value.problems))


def test_a_mapping_names_every_column_the_file_lacks():
    with pytest.raises(Invalid) as refused:
        list(mapping.read(io.BytesIO(b"Day,Time\n"), mapping.load(SAVED)))
    assert len(refused.value.problems) == 7


OPEN311_CSV = ("service_request_id,status,service_code,service_name,requested_datetime,updated_datetime,address,lat,long\n"
               "101,open,POT,Pothole,2022-07-04T09:30:00Z,2022-07-05T00:00:00Z,1 High St,51.8,-0.8\n")  # fmt: skip
OPEN311_JSON = ('[{"service_request_id":"101","status":"open","service_name":"Pothole",'
                '"requested_datetime":"2022-07-04T09:30:00Z","updated_datetime":"2022-07-05T00:00:00Z","lat":51.8}]')  # fmt: skip
OPEN311_XML = ('<?xml version="1.0"?><service_requests><request><service_request_id>101</service_request_id>'
               "<service_name>Pothole</service_name><requested_datetime>2022-07-04T09:30:00Z</requested_datetime>"
               "<updated_datetime>2022-07-05T00:00:00Z</updated_datetime></request></service_requests>")  # fmt: skip


@pytest.mark.parametrize("data", [OPEN311_CSV, OPEN311_JSON, OPEN311_XML])
def test_open311_is_one_contact_in_all_three_formats(data):
    contact = one("open311", data)
    assert (contact.contact_id, contact.reason, contact.channel) == ("101", "Pothole", "web")
    assert (contact.occurred_at, contact.version) == (
        at("2022-07-04T09:30:00"), at("2022-07-05T00:00:00"))  # fmt: skip
    assert (contact.outcome, contact.handled, contact.resolved) == ("self-served", False, None)


def test_open311_xml_with_a_document_type_is_refused_and_a_cut_one_told():
    with pytest.raises(SignpostError, match="document type"):
        read("open311", '<!DOCTYPE x [<!ENTITY a "b">]><x/>')
    _, done = read("open311", OPEN311_XML[:-60])
    assert "broken" in done.refused[0].says


SCRIPTS = """Path ID,Parent Path ID,Script ID,Script Name,Node Type,Node Label,Depth,Count,Terminal
p1,,s1,Council Tax v2,ENTRY_POINT,Start,0,1000,No
p2,p1,s1,Council Tax v2,PLAY,Message B,1,1000,No
p3,p2,s1,Council Tax v2,CustomerHangUp,,2,440,Yes
p4,p2,s1,Council Tax v2,QUEUE,CT queue,2,540,No
p5,p4,s1,Council Tax v2,AgentAccepted,,3,480,Yes
p6,p4,s1,Council Tax v2,CustomerHangUp,,3,60,Yes
p7,p9,s1,Council Tax v2,PLAY,Lost,3,5,No
p8,p1,s1,Council Tax v2,PLAY,Lost,3,many,No
p9,p7,s1,Council Tax v2,PLAY,Circle,3,5,No
"""


def test_script_paths_are_a_tree_whose_endings_add_up_to_those_who_entered():
    done = script_paths.read(io.BytesIO(SCRIPTS.encode()))
    tree = done.scripts["s1"]
    assert tree.entered == 1000
    assert tree.endings() == {"CustomerHangUp": 500, "AgentAccepted": 480, "not shown": 20}
    assert sum(tree.endings().values()) == tree.entered
    assert ("p2", "p3", 440) in set(tree.flows())
    assert tree.left("p2") == 20
    assert sorted(r.file_line for r in done.refused) == [8, 9, 10]
    assert done.contradictions == ()


def test_script_paths_that_let_more_out_than_came_in_are_a_contradiction():
    done = script_paths.read(io.BytesIO(SCRIPTS.replace(",540,", ",1540,").encode()))
    assert "1,000 callers came here but 1,980" in str(done.contradictions[0])


def test_ga4_events_tell_who_saw_which_variant_in_json_and_csv():
    event = {"event_name": "experience_impression", "event_timestamp": "1656927000123456",
             "user_pseudo_id": "123.456", "event_params": [
                 {"key": "exp_variant_string", "value": {"string_value": "SPST-waste-page-B"}},
                 {"key": "ga_session_id", "value": {"int_value": 99}}]}  # fmt: skip
    other = event | {"event_name": "page_view"}
    found = list(google_analytics.read(io.BytesIO(json.dumps([event, other]).encode())))
    assert len(found) == 1
    assert (found[0].experiment, found[0].arm) == ("waste-page", "B")
    assert (found[0].seen_at, found[0].session) == (at("2022-07-04T09:30:00"), "123.456")
    csv = ("event_name,event_timestamp,user_pseudo_id,exp_variant_string\n"
           "experience_impression,1656927000123456,123.456,SPST-waste-page-B\n"
           "experience_impression,1656927000123456,,SPST-waste-page-B\n"
           "experience_impression,1656927000123456,123.456,B\n")  # fmt: skip
    first, consent, wrong = google_analytics.read(io.BytesIO(csv.encode()))
    assert first.session == found[0].session
    assert consent.left_out
    assert "TOOL-EXPERIMENT-VARIANT" in wrong.says
    assert google_analytics.complete_until(at("2022-07-04T00:00:00")) == at("2022-07-01T00:00:00")


@pytest.mark.parametrize(
    ("text", "experiment", "arm"),
    [("SPST-page-B", "page", "B"), ("SPST-waste-page-B", "waste-page", "B"),
     ("SPST-page-one-thing", "page-one", "thing"), ("AB2-a.b_c-B.2", "a.b_c", "B.2")],
)  # fmt: skip
def test_a_ga4_variant_is_what_follows_the_last_dash(text, experiment, arm):
    csv = (
        "event_name,event_timestamp,user_pseudo_id,exp_variant_string\n"
        f"experience_impression,1656927000123456,123.456,{text}\n"
    )
    (found,) = google_analytics.read(io.BytesIO(csv.encode()))
    assert (found.experiment, found.arm) == (experiment, arm)


def test_ga4_totals_refuse_more_goals_than_sessions():
    data = b'Variant,Sessions,Goals\nA,"1,000",31\nB,990,n/a\nC,10,11\nD,#####,1\n'
    first, second, *refused = google_analytics.read_totals(io.BytesIO(data))
    assert (first.sessions, first.goals) == (1000, 31)
    assert second.goals is None
    assert [r.file_line for r in refused] == [4, 5]


def test_notify_callbacks_and_downloads_climb_the_delivery_ladder():
    call = {"id": "n1", "reference": "tax-reminder:b:0123456789abcdef", "to": "jo@example.uk",
            "status": "sending", "created_at": "2022-07-04T09:30:00.000000Z", "notification_type": "email"}  # fmt: skip
    data = "\n".join(json.dumps(call | change) for change in (
        {"status": "delivered", "completed_at": "2022-07-04T09:31:00Z"}, {},
        {"id": "n2", "status": "permanent-failure", "reference": None},
        {"id": "n3", "status": "melted"}))  # fmt: skip
    data += '\n{"notification_id": "n4", "reference": "tax-reminder:b:00", "date_sent": "2022-07-01T00:00:00Z"}'
    items = list(notify.read(io.BytesIO(data.encode())))
    good = notify.latest(i for i in items if not isinstance(i, Refused))
    assert [(d.notification, d.rung) for d in good] == [
        ("n1", "delivered"), ("n2", "failed"), ("n4", "returned")]  # fmt: skip
    assert (good[0].trial, good[0].arm, good[0].unit) == ("tax-reminder", "b", "0123456789abcdef")
    assert good[0].recipient is None
    assert good[1].recipient == ("email", "jo@example.uk")
    assert [i.file_line for i in items if isinstance(i, Refused)] == [4]
    csv = ("Row number,Recipient,Reference,Template,Type,Job,Status,Time\n"
           "1,07700900123,,Reminder,sms,x.csv,Delivered,04/07/2022 10:30\n")  # fmt: skip
    (row,) = notify.read(io.BytesIO(csv.encode()))
    assert (row.rung, row.message, row.recipient) == (
        "delivered",
        "sms",
        ("phone", "+447700900123"),
    )
    assert row.at == at("2022-07-04T09:30:00")


@pytest.mark.parametrize(
    ("data", "source"),
    [(PLAIN, "contacts"), (EIGHT_KEYS, "8x8"), (SCRIPTS, "8x8-script-paths"), (FIRMSTEP, "firmstep"),
     (OPEN311_CSV, "open311"), (OPEN311_JSON, "open311"), (genesys(IVR), "genesys"),
     (connect({}).decode(), "amazon-connect"), ('{"content":[{"items":[]}]}', "8x8"),
     ("Case ref,When\n1,2\n", None), ("Variant,Sessions,Goals\n", "ga4-totals"),
     ("Row number,Recipient,Template,Status\n", "notify"), ('{"a":1}', None),
     ("callId,startTimeUTC,caller,dnis,abandoned,answered,missed,waitTimeMS,talkTimeMS,direction\n", "8x8-work")],
)  # fmt: skip
def test_known_exports_are_recognised_and_the_stream_is_left_at_its_start(data, source):
    stream = io.BytesIO(data.encode())
    assert identify(stream) == source
    assert stream.tell() == 0
    if not data.startswith(("{", "[")):
        assert detect(data.splitlines()[0].split(",")) == source


def test_a_source_without_contacts_is_not_loaded_as_contacts():
    with pytest.raises(NotFound, match="hold no contacts"):
        reader("notify")
    with pytest.raises(NotFound, match="use one of"):
        reader("nope")


SAMPLES = {"contacts": PLAIN, "8x8": EIGHT_KEYS, "firmstep": FIRMSTEP, "open311": OPEN311_CSV,
           "amazon-connect": connect({}).decode(), "genesys": genesys(IVR, ACD, AGENT),
           "salesforce-case": "CaseNumber,CreatedDate,Origin,Type,Reason,ContactId,ContactEmail,SuppliedEmail\n1,2022-07-04T09:30:00Z,Phone,Waste,Bin,003X,,a@b.uk\n",
           "dynamics-incident": "ticketnumber,createdon,modifiedon,caseorigincode,casetypecode,subjectid,customerid\nC1,2022-07-04T09:30:00Z,2022-07-04T09:30:00Z,1,2,3,x\n",
           "8x8-work": "callId,startTimeUTC,caller,dnis,abandoned,answered,missed,waitTimeMS,talkTimeMS,direction\nw1,2022-07-04 09:30:00,+447700900123,395000,-,Answered,-,134000,600000,Incoming\n"}  # fmt: skip


def test_every_reader_of_contacts_has_a_sample_that_it_reads_without_refusal():
    assert set(SAMPLES) == set(READERS)
    for source, data in SAMPLES.items():
        contacts, done = read(source, data)
        assert contacts
        assert source == "contacts" or not done.refused


@st.composite
def mangled(draw):
    """A sample with bytes cut, swapped, repeated or replaced by trouble."""
    source = draw(st.sampled_from(sorted(SAMPLES)))
    data = bytearray(SAMPLES[source].encode())
    trouble = st.sampled_from(
        [b"\xff", b"\x00", b'"', b"\n", b"\r", b",", b";", b"{", b"}", b"9" * 40, b"#####", b"-",
         b"99:99:99", b"30/10/2022 01:30", b"\xc3\xa9", b"x" * 12_000, b"1e309", b"NaN", b"\xed\xa0\x80",
         b"\\ud800", b"2022-02-30"]
    )  # fmt: skip
    for _ in range(draw(st.integers(1, 6))):
        at_ = draw(st.integers(0, len(data)))
        to = min(len(data), at_ + draw(st.integers(0, 30)))
        data[at_:to] = draw(trouble)
    repeats = draw(st.integers(1, 2))
    return source, bytes(data) * repeats


@given(mangled())
@settings(max_examples=500, deadline=None)
def test_a_mangled_export_gives_contacts_and_refusals_or_one_sentence(case):
    """Nothing but a SignpostError leaves a reader, and what comes out can be stored."""
    source, data = case
    for run in (lambda: list(reader(source)(io.BytesIO(data), USUAL)),
                lambda: list(notify.read(io.BytesIO(data))),
                lambda: list(google_analytics.read(io.BytesIO(data))),
                lambda: script_paths.read(io.BytesIO(data)),
                lambda: identify(io.BytesIO(data))):  # fmt: skip
        try:
            items = run()
        except SignpostError:
            continue
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Contact):
                assert isinstance(item.occurred_at, int)
                repr(item).encode()
            elif isinstance(item, Refused) and not item.left_out:
                assert item.says
                assert item.remedy


PHONE, EMAIL, ACCOUNT = "07700900123", "very.private@example.uk", "CT99887766"


@given(st.permutations(["c1", "2022-07-04", "phone", "Line", "Reason", "handled", "yes", "12", "13",
                        PHONE, EMAIL, ACCOUNT, "x" * 300, "\x07", f"{PHONE}-1"]))  # fmt: skip
@settings(max_examples=400)
def test_no_refusal_ever_repeats_an_identifier_even_when_columns_are_shifted(cells):
    header = ("contact_id,occurred_at,channel,line,reason,outcome,handled,wait_seconds,"
              "handle_seconds,phone,email,account,arm,unit,cost\n")  # fmt: skip
    _, done = read("contacts", header + ",".join(cells) + "\n")
    text = " ".join(str(r.problem()) + repr(r) for r in done.refused) + repr(done.unusable)
    for private in (PHONE, PHONE[1:], EMAIL, EMAIL.upper(), ACCOUNT, "private"):
        assert private not in text


def test_labels_that_hold_an_address_or_a_number_are_refused():
    header = "contact_id,occurred_at,reason,phone\n"
    for cell in ("rang 07700 900123 again", "see jo@example.uk", "ring (01632) 960 108",
                 "on (020) 7946 0018", "+44 (0)1632 960108", "01632.960.108", "0121/496/0123",
                 "https://x.gov.uk/?e=k.brown%40example.org&p=1"):  # fmt: skip
        _, done = read("contacts", f"{header}c1,2022-07-04 09:30,{cell},\n")
        assert "reason" in done.refused[0].says, cell
    for label in ("Council Tax 2025/26 (Band A-D)", "Bill of 01/04/2026", "Form CT-1001 (2026)"):
        assert read("contacts", f"{header}c1,2022-07-04 09:30,{label},07700900123\n")[0], label
    _, done = read("contacts", f"{header}07700900123-1,2022-07-04 09:30,Bill,07700 900123\n")
    assert "contact_id holds the telephone number" in done.refused[0].says


@pytest.mark.parametrize("label", ["line", "topic", "reason", "arm"])
@pytest.mark.parametrize(
    ("kind", "identifier", "written"),
    [("phone", "01632 960108", "01632960108"), ("account", "CT-9988-7766", "about CT99887766"),
     ("uprn", "10002333", "house 10002333"), ("customer", "c-55-1234", "C551234 again"),
     ("session", "A1B2C3D4", "a1b2-c3d4"), ("unit", "ACC 7788", "acc7788")],
)  # fmt: skip
def test_no_label_may_carry_an_identifier_of_its_row(label, kind, identifier, written):
    text = f"contact_id,occurred_at,{label},{kind}\nc1,2022-07-04 09:30,{written},{identifier}\n"
    _, done = read("contacts", text)
    ((refused),) = done.refused
    assert label in refused.says
    assert refused.remedy


def test_a_line_is_the_councils_own_number_and_no_mobile():
    header = "contact_id,occurred_at,line,phone\n"
    for number in ("01296 395000", "0300 131 6000", "5000"):
        assert read("contacts", f"{header}c1,2022-07-04 09:30,{number},07700900123\n")[0]
    for number in ("07700 900124", "+447700900124"):
        _, done = read("contacts", f"{header}c1,2022-07-04 09:30,{number},Council Tax\n")
        assert done.refused[0].says == "line: is a mobile telephone number"
