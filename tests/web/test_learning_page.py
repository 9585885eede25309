"""The page of learning: what may be shown, told plainly; nothing of what may not."""

from __future__ import annotations

from council import keep_result
from sample import letter_result
from signed import client_of, submit

UNTIL = {"kind": "fixed", "reached": False, "next": "2027-09-01"}


def test_a_shown_result_is_learned_from_and_a_withheld_one_is_not(app, client):
    keep_result(app.extensions["store"], "early-look", {**letter_result(), "look": UNTIL})
    page = client.get("/learning").text
    assert "Make it easy" in page
    assert "Over and decided, beside the others" in page
    assert "An early look, alone" not in page
    assert "Results are withheld until" in page
    assert "<table" in page


def test_an_empty_register_says_what_to_do(empty_app):
    page = client_of(empty_app, "viewer").get("/learning").text
    assert "Nothing to learn from yet" in page


def test_a_forecast_is_taken_before_launch_and_not_after(client):
    said = submit(client, "/trials/ready-to-go/forecasts", {"chance": "seventy"})
    assert said.status_code == 422
    assert "Enter a number from 0 to 100" in said.text
    assert submit(client, "/trials/ready-to-go/forecasts", {"chance": "70%"}).status_code == 303
    page = client.get("/trials/ready-to-go/forecasts").text
    assert "70% likely better" in page
    assert "70% likely better" in client.get("/learning").text
    assert "no more forecasts" in client.get("/trials/fresh/forecasts").text
