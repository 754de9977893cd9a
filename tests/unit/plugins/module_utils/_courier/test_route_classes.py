"""Routes by their class: what each must have, and how they stand in the file."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.esmtproutes import Route, RouteError, in_sections, parse, render
from plugins.module_utils._courier.terms import Terms

LOGIN = {"user": "us", "password": "secret"}

SITE = [
    Route("", "hub.example.net", None, "smtps", kind="smarthosts"),
    Route("sms.example", "gateway.example.net", kind="sms", terms=Terms(owner="alice")),
    Route("example.org", kind="broken_starttls", terms=Terms("ends the connection", until="2026-12-31")),
    Route("partner.example", "mx.partner.example", kind="safe", terms=Terms("knows us by our address")),
    Route("hotmail.example", "smtp.provider.example", 587, "required", **LOGIN, kind="providers"),
    Route(".lan.example", "[192.0.2.1]", kind="special"),
    Route("printer.example", "[192.0.2.2]", kind="special"),
]
TEXT = """\
## special
.lan.example: [192.0.2.1]
printer.example: [192.0.2.2]
## broken_starttls
# ends the connection; until 2026-12-31
example.org:
## sms
# owner alice
sms.example: gateway.example.net
## safe
# knows us by our address
partner.example: mx.partner.example
## providers
hotmail.example: smtp.provider.example,587 /SECURITY=REQUIRED
## smarthosts
: hub.example.net,465 /SECURITY=SMTPS
"""
REFUSED = {
    "a provider without a login": (
        Route("", "smtp.example.net", 587, "required", kind="providers"),
        "the catch-all: a provider wants a login; write user and password, or make it a smarthost",
    ),
    "a smarthost in clear": (
        Route("", "hub.example.net", kind="smarthosts"),
        "the catch-all: a smarthost is a relay over TLS; write relay and security required or smtps",
    ),
    "a smarthost that is the MX": (
        Route("example.org", security="required", kind="smarthosts"),
        "example.org: a smarthost is a relay over TLS; write relay and security required or smtps",
    ),
    "a safe route with a login": (
        Route("example.org", "mx.example.org", 587, "required", **LOGIN, kind="safe"),
        "example.org: a safe route is a relay that knows us by our address; write relay, and neither user nor password",
    ),
    "an SMS gateway for everything": (
        Route("", "gateway.example.net", kind="sms"),
        "the catch-all: an SMS gateway takes one domain; write domain and relay",
    ),
    "a broken STARTTLS that is insisted on": (
        Route("example.org", security="required", kind="broken_starttls"),
        "example.org: a server whose STARTTLS is broken is reached by its MX, in clear after the first failure; "
        "write domain, and neither relay nor security",
    ),
}


def test_sections_stand_in_the_order_of_the_classes():
    assert render(in_sections(SITE)) == TEXT


def test_comments_are_nothing_to_courier():
    assert [route.domain for route in parse(TEXT)] == [
        ".lan.example", "printer.example", "example.org", "sms.example", "partner.example", "hotmail.example", "",
    ]  # fmt: skip


@pytest.mark.parametrize(("route", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(route, sentence):
    with pytest.raises(RouteError) as refusal:
        render([route])
    assert str(refusal.value) == sentence


def test_two_catch_alls_are_refused_in_any_class():
    provider = Route("", "smtp.provider.example", 587, "required", **LOGIN, kind="providers")
    with pytest.raises(RouteError, match=r"route 2 \(the catch-all\) is never reached"):
        render(in_sections([SITE[0], provider]))
