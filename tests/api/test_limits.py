"""Callers without a key may ask only so often: each address, and all of them together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trials import settings
from web.api import limits
from web.app import create_app

HOME = "https://www.wychbridge.example"
ARM = "/site/v1/trials/website-banner/arm?unit=v-1"
ASSIGN = "/api/v1/trials/website-banner/assign?unit=v-1"


@pytest.fixture
def stopped(monkeypatch):
    """A clock that stands still unless it is moved on."""
    hands = [1000.0]
    monkeypatch.setattr(limits.Limiter.__init__, "__defaults__", (lambda: hands[0],))
    return hands


@pytest.fixture
def site(made, stopped):
    """Makes applications of a website, and answers what one address (or more) is told."""
    apps = []

    def make(**given):
        apps.append(create_app(replace(made, allowed_origins=(HOME,), **given)))
        client = apps[-1].test_client()

        def ask(address="192.0.2.1", path=ARM, **headers):
            environ = {"REMOTE_ADDR": address}
            return client.get(path, headers={"Origin": HOME, **headers}, environ_base=environ)

        return ask

    yield make
    for app in apps:
        app.extensions["online"].close()


def statuses(ask, times, **given):
    return [ask(**given).status_code for _ in range(times)]


def test_one_address_asks_forty_times_at_once_and_twenty_times_a_second(site, stopped):
    ask = site()
    assert statuses(ask, 41) == [200] * 40 + [429]
    refused = ask()
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    assert refused.json["status"] == 429
    assert ask("192.0.2.2").status_code == 200
    stopped[0] += 1
    assert statuses(ask, 21) == [200] * 20 + [429]


def test_all_addresses_share_one_limit_which_keys_do_not_feel(site, secrets):
    ask = site(visitors_requests=2)
    assert [ask(f"192.0.2.{n}").status_code for n in range(6)] == [200] * 4 + [429] * 2
    bearer = {"Authorization": f"Bearer {secrets['assign']}"}
    assert {ask(path=ASSIGN, **bearer).status_code for _ in range(50)} == {200}


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(site):
    def forwarded(ask):
        return [ask(**{"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in range(3)]

    assert forwarded(site(visitor_requests=1)) == [200, 200, 429]
    proxied = site(visitor_requests=1, trusted_proxies=1)
    assert forwarded(proxied) == [200] * 3
    behind = {"X-Forwarded-For": "203.0.113.9, 198.51.100.9"}
    assert statuses(proxied, 3, **behind) == [200, 200, 429]
    assert proxied(**{"X-Forwarded-For": "203.0.113.8, 198.51.100.9"}).status_code == 429


def test_an_ipv6_holder_is_one_address_and_noughts_are_no_limit(site):
    ask = site(visitor_requests=1)
    assert [ask(f"2001:db8::{n}").status_code for n in range(3)] == [200, 200, 429]
    assert ask("2001:db8:0:1::1").status_code == 200
    assert set(statuses(site(visitor_requests=0, visitors_requests=0), 60)) == {200}


def test_memory_is_bounded_and_the_latest_callers_are_remembered(stopped, monkeypatch):
    monkeypatch.setattr(limits, "MOST", 100)
    limiter = limits.Limiter(0.5)
    assert [limiter.wait("regular") for _ in range(2)] == [0, 2]
    for n in range(1000):
        limiter.wait(n)
        assert limiter.wait("regular") == 2
    assert len(limiter._buckets) == 100


def test_settings_have_sensible_defaults(tmp_path):
    home = {"SIGNPOST_HOME": str(tmp_path)}
    assert settings.load(home).visitor_requests == 20
    said = settings.load({**home, "SIGNPOST_SITE_REQUESTS_PER_SECOND": "50"})
    assert (said.visitor_requests, said.visitors_requests) == (20, 50)
