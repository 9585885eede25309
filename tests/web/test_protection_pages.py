"""The data-protection officer removes a person in a page: counted first, ticked, then gone."""

from __future__ import annotations

import sqlalchemy as sa
from signed import client_of, hidden, submit

from trials import jobs
from trials.contacts import batch
from trials.people.identifiers import Hasher
from trials.store.tables import ContactRow

PAGE, WHO = "/data-protection", "020 7946 0999"


def held(app):
    with app.extensions["store"].read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(ContactRow))


def test_a_person_is_counted_then_removed_and_only_with_the_box_ticked(app):
    hasher = Hasher(app.extensions["settings"].identifier_key)
    calls = [{"contact_id": "gone", "occurred_at": "2026-04-02T09:00:00Z", "phone": WHO}]
    before = held(app)
    batch.add_batch(app.extensions["store"], calls, source="pages", hasher=hasher, actor="t")
    client, to = client_of(app, "data-protection"), f"{PAGE}/erasure"
    assert submit(client, PAGE, {}, action=to).status_code == 422
    assert submit(client, PAGE, {"phone": "12"}, action=to).status_code == 400
    counted = submit(client, PAGE, {"phone": WHO}, action=to)
    assert counted.status_code == 200
    assert "<strong>1</strong> contact " in counted.text
    unsure = submit(client, PAGE, {"phone": WHO, "counted": "yes"}, action=to)
    assert unsure.status_code == 422
    assert held(app) == before + 1
    done = submit(client, PAGE, {"phone": WHO, "counted": "yes", "sure": "yes"}, action=to)
    assert done.status_code == 303
    assert held(app) == before
    assert "Removed: 1 contact and" in client.get(PAGE).text


def test_removing_what_is_past_its_time_asks_first_and_is_left_to_a_worker(app):
    client, to = client_of(app, "data-protection"), f"{PAGE}/retention"
    form = hidden_of(client)
    assert client.post(to, data=form).status_code == 422
    assert client.post(to, data={**hidden_of(client), "agreed": "yes"}).status_code == 303
    with app.extensions["store"].read() as session:
        assert jobs.latest(session, limit=1)[0].kind == "retention"


def hidden_of(client):
    return hidden(client.get(PAGE), f"{PAGE}/erasure")
