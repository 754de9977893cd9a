from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.esmtproutes import (
    FAMILY,
    SECURITY,
    Route,
    RouteError,
    canonical,
    mask_credentials,
    parse,
    render,
    render_credentials,
    render_tls,
)
from plugins.module_utils._courier.tls import priority

# What is written, and read back as it was given.
ROUTES = {
    "no route at all": ("", []),
    "a relay": ("example.com: relay.example.net\n", [Route("example.com", "relay.example.net")]),
    "a relay and its port": (
        "example.com: relay.example.net,2525\n",
        [Route("example.com", "relay.example.net", 2525)],
    ),
    "STARTTLS is required": (
        "example.com: relay.example.net,587 /SECURITY=REQUIRED\n",
        [Route("example.com", "relay.example.net", 587, "required")],
    ),
    "TLS from the first byte": (
        ": relay.example.net,465 /SECURITY=SMTPS\n",
        [Route("", "relay.example.net", 465, "smtps")],
    ),
    "TLS from the first byte on a port of one's own": (
        ": relay.example.net,2465 /SECURITY=SMTPS\n",
        [Route("", "relay.example.net", 2465, "smtps")],
    ),
    "flags share one slash": (
        ": relay.example.net /SECURITY=REQUIRED,IPV4ONLY\n",
        [Route("", "relay.example.net", None, "required", "ipv4")],
    ),
    "flags without a relay": ("example.com: /IPV6ONLY\n", [Route("example.com", family="ipv6")]),
    "an IPv4 address": (": [192.0.2.25],2525\n", [Route("", "[192.0.2.25]", 2525)]),
    "an IPv6 address": (".example.com: [2001:db8::25]\n", [Route(".example.com", "[2001:db8::25]")]),
    "an address of the family": (": [2001:db8::25] /IPV6ONLY\n", [Route("", "[2001:db8::25]", family="ipv6")]),
    "an exception above the catch-all": (
        "example.org:\n: relay.example.net\n",
        [Route("example.org"), Route("", "relay.example.net")],
    ),
    "a wildcard does not cover its own name": (
        ".example.com: a.example.net\nexample.com: b.example.net\n",
        [Route(".example.com", "a.example.net"), Route("example.com", "b.example.net")],
    ),
    "a longer name is not below a shorter one": (
        "example.com: a.example.net\nwww.example.com: b.example.net\n",
        [Route("example.com", "a.example.net"), Route("www.example.com", "b.example.net")],
    ),
    "an exception above its wildcard": (
        "a.b.example.com:\n.b.example.com: a.example.net\n.example.com: b.example.net\n",
        [Route("a.b.example.com"), Route(".b.example.com", "a.example.net"), Route(".example.com", "b.example.net")],
    ),
}

LOGIN = (
    "a login goes only to a relay whose certificate is verified; name the relay, on port 587 or 465, "
    "and leave verify out"
)
MX = (
    "on port 25 Courier does not know relays from the rest of the world, and meets all alike; "
    "give the relay port 587 or 465, or leave tls_profile and verify out"
)

# What is written in another spelling than given.
SPELLINGS = {
    "lower case": (Route("Example.COM", "Relay.Example.NET"), "example.com: relay.example.net\n"),
    "international names as A-labels": (
        Route("bücher.example", "büro.example"),
        "xn--bcher-kva.example: xn--bro-hoa.example\n",
    ),
    "an IPv6 address in its short form": (Route("", "[2001:0DB8:0::25]"), ": [2001:db8::25]\n"),
    "smtps is on port 465": (
        Route("", "relay.example.net", None, "smtps"),
        ": relay.example.net,465 /SECURITY=SMTPS\n",
    ),
    "a login is for the submission port": (
        Route("", "relay.example.net", None, "required", None, "bob", "secret"),
        ": relay.example.net,587 /SECURITY=REQUIRED\n",
    ),
    "so is mail for a smarthost": (
        Route("", "relay.example.net", None, "required", kind="smarthosts"),
        "## smarthosts\n: relay.example.net,587 /SECURITY=REQUIRED\n",
    ),
}

# What Courier reads in files made by hand.
READ = {
    "a comment starts anywhere": ("# ours\n: relay.example.net # the hub\n", [Route("", "relay.example.net")]),
    "a comment ends with LF only": (
        ": a.example.net # x\rb.example:\nc.example:\n",
        [Route("", "a.example.net"), Route("c.example")],
    ),
    "a line ends with CR or LF": (
        "a.example:\r\nb.example:\rc.example:",
        [Route("a.example"), Route("b.example"), Route("c.example")],
    ),
    "no colon, no route": ("a.example\n\n \n:b.example\n", [Route("", "b.example")]),
    "the domain is not trimmed": (" a.example : b.example\n", [Route(" a.example ", "b.example")]),
    "the rest is trimmed": ("a.example:\t b.example \v\n", [Route("a.example", "b.example")]),
    "no blank is needed": (":b.example,587/security=required\n", [Route("", "b.example", 587, "required")]),
    "flags follow the last slash": (
        ": a/SECURITY=REQUIRED/IPV4ONLY\n",
        [Route("", "a/SECURITY=REQUIRED", None, None, "ipv4")],
    ),
    "flags are split at commas and blanks": (
        ": a /,IPV6ONLY, \tSecurity=Smtps\n",
        [Route("", "a", None, "smtps", "ipv6")],
    ),
    "NONE is no flag": (": a /SECURITY=NONE\n", [Route("", "a")]),
    "Courier's own STARTTLS": (": a /SECURITY=STARTTLS,SECURITY=REQUIRED\n", [Route("", "a", None, "starttls")]),
    "SMTPS lifts REQUIRED": (": a /SECURITY=REQUIRED,SECURITY=SMTPS\n", [Route("", "a", None, "smtps")]),
    "a port is read as far as it is a number": (
        ": a, 25x\n: b,smtp\n: c,\n",
        [Route("", "a", 25), Route("", "b", 0), Route("", "c", 0)],
    ),
    "nothing is put into order": (": a\nb.example: c\n", [Route("", "a"), Route("b.example", "c")]),
}

REFUSED = {
    "no security since 0.71": (
        [Route("a.example", security="none")],
        "a.example: there is no SECURITY=NONE since Courier 0.71, it would be ignored; "
        "write required or smtps, or leave security out",
    ),
    "Courier's own STARTTLS": (
        [Route("a.example", security="starttls")],
        "a.example: SECURITY=STARTTLS is a private extension between Courier servers that others refuse; "
        "write required, which insists on STARTTLS",
    ),
    "unknown security": (
        [Route(security="tls")],
        "the catch-all: security 'tls' is unknown; write required or smtps, or leave security out",
    ),
    "unknown family": (
        [Route(family="ipx")],
        "the catch-all: family 'ipx' is unknown; write ipv4 or ipv6, or leave family out",
    ),
    "a family without such an address": (
        [Route("", "[192.0.2.1]", family="ipv6")],
        "the catch-all: [192.0.2.1] cannot be reached with family ipv6; leave family out",
    ),
    "port 0": ([Route("a.example", "b.example", 0)], "a.example: port 0 does not exist; write 1 to 65535"),
    "port 65536": ([Route("", "b.example", 65536)], "the catch-all: port 65536 does not exist; write 1 to 65535"),
    "a port without a relay": (
        [Route("a.example", port=587)],
        "a.example: Courier takes a port only after a relay; name the relay, or leave port out",
    ),
    "smtps without a relay": (
        [Route("a.example", security="smtps")],
        "a.example: smtps to the MX would be TLS on port 25; name a relay, or write required",
    ),
    "smtps on port 25": (
        [Route("", "b.example", 25, "smtps")],
        "the catch-all: port 25 does not begin with TLS; write required, or leave port out for 465",
    ),
    "port 465 without smtps": (
        [Route("", "b.example", 465, "required")],
        "the catch-all: port 465 begins with TLS; write security smtps",
    ),
    "an IPv4 address without brackets": (
        [Route("a.example", "192.0.2.1")],
        "a.example: relay '192.0.2.1' is an address without brackets; write [192.0.2.1]",
    ),
    "an IPv6 address without brackets": (
        [Route("a.example", "2001:DB8::1")],
        "a.example: relay '2001:DB8::1' is an address without brackets; write [2001:db8::1]",
    ),
    "one bracket": (
        [Route("", "[192.0.2.1")],
        "the catch-all: relay '[192.0.2.1' is an address without brackets; write [192.0.2.1]",
    ),
    "an address with a scope": (
        [Route("", "[fe80::1%eth0]")],
        "the catch-all: relay '[fe80::1%eth0]' has a scope, which Courier does not take; leave out what follows the %",
    ),
    "brackets around a name": (
        [Route("", "[b.example]")],
        "the catch-all: relay '[b.example]' is not a domain; "
        "write labels of letters, digits and hyphens, 63 long at most, with dots between them",
    ),
    "a port in the relay": (
        [Route("", "b.example,587")],
        "the catch-all: relay 'b.example,587' holds a port; write it as port",
    ),
    "a port of others in the relay": (
        [Route("", "b.example:587")],
        "the catch-all: relay 'b.example:587' holds a port; write it as port",
    ),
    "flags in the relay": (
        [Route("", "b.example /SECURITY=REQUIRED")],
        "the catch-all: relay 'b.example /SECURITY=REQUIRED' is empty or holds a blank, "
        "and Courier does not trim names",
    ),
    "a wildcard for a relay": (
        [Route("", ".b.example")],
        "the catch-all: relay '.b.example' is a wildcard; name one host",
    ),
    "a comment in a domain": (
        [Route("a.example#")],
        "a route's domain 'a.example#' holds a #, which starts a comment",
    ),
    "a blank before a domain": (
        [Route(" a.example")],
        "a route's domain ' a.example' is empty or holds a blank, and Courier does not trim names",
    ),
    "a colon in a domain": (
        [Route("a.example:")],
        "a route's domain 'a.example:' is not a domain; "
        "write labels of letters, digits and hyphens, 63 long at most, with dots between them",
    ),
    "an address for a domain": (
        [Route("[192.0.2.1]")],
        "a route's domain '[192.0.2.1]' is an address; only a name can be a domain here",
    ),
    "twice": (
        [Route("a.example"), Route("A.example", "b.example")],
        "route 2 (A.example) is never reached, because route 1 (a.example) matches first; move it up or leave it out",
    ),
    "twice, in Unicode and in A-labels": (
        [Route("bücher.example"), Route("xn--bcher-kva.example")],
        "route 2 (xn--bcher-kva.example) is never reached, because route 1 (bücher.example) matches first; "
        "move it up or leave it out",
    ),
    "below the catch-all": (
        [Route("a.example"), Route("", "c.example"), Route("b.example")],
        "route 3 (b.example) is never reached, because route 2 (the catch-all) matches first; "
        "move it up or leave it out",
    ),
    "two catch-alls": (
        [Route(), Route()],
        "route 2 (the catch-all) is never reached, because route 1 (the catch-all) matches first; "
        "move it up or leave it out",
    ),
    "a name below a wildcard": (
        [Route(".example.com"), Route("a.b.example.com")],
        "route 2 (a.b.example.com) is never reached, because route 1 (.example.com) matches first; "
        "move it up or leave it out",
    ),
    "a wildcard below a wildcard": (
        [Route(".example.com"), Route(".b.example.com")],
        "route 2 (.b.example.com) is never reached, because route 1 (.example.com) matches first; "
        "move it up or leave it out",
    ),
    "a login in clear": (
        [Route("", "b.example", 587, None, None, "bob", "secret")],
        "the catch-all: one failed handshake would send the login in clear; write security required or smtps",
    ),
    "a user without a password": (
        [Route("", "b.example", 587, "required", None, "bob")],
        "the catch-all: a login is a user and a password; write both, or leave both out",
    ),
    "a password without a user": (
        [Route("", "b.example", 587, "required", None, "", "secret")],
        "the catch-all: a login is a user and a password; write both, or leave both out",
    ),
    "a login for the MX": ([Route("a.example", "", None, "required", None, "bob", "secret")], f"a.example: {LOGIN}"),
    "a login on port 25": ([Route("", "b.example", 25, "required", None, "bob", "secret")], f"the catch-all: {LOGIN}"),
    "a login for an address": (
        [Route("", "[192.0.2.1]", None, "smtps", None, "bob", "secret")],
        f"the catch-all: {LOGIN}",
    ),
    "a login for nobody in particular": (
        [Route("", "b.example", None, "smtps", None, "bob", "secret", verify=False)],
        f"the catch-all: {LOGIN}",
    ),
    "an unknown profile": (
        [Route("", "b.example", None, "smtps", tls_profile="old")],
        "the catch-all: TLS profile 'old' is unknown; write one of modern, intermediate",
    ),
    "a profile on port 25": (
        [Route("", "b.example", security="required", tls_profile="modern")],
        f"the catch-all: {MX}",
    ),
    "a verified relay on port 25": ([Route("", "b.example", security="required", verify=True)], f"the catch-all: {MX}"),
    "a verified MX": ([Route("a.example", security="required", verify=True)], f"a.example: {MX}"),
    "a verified relay that may be met in clear": (
        [Route("", "b.example", 2525, verify=True)],
        "the catch-all: without security TLS may fail and be left out; write security required or smtps",
    ),
    "a verified address": (
        [Route("", "[192.0.2.1]", None, "smtps", verify=True)],
        "the catch-all: a certificate is for a name, and [192.0.2.1] is none; name the relay",
    ),
    "a smarthost on port 25": (
        [Route("", "b.example", 25, "required", kind="smarthosts")],
        "the catch-all: a smarthost's certificate is verified; name the relay, with security required on port 587 or "
        "smtps, or write verify false",
    ),
    "a blank in a user": (
        [Route("", "b.example", 587, "required", None, "bob smith", "secret")],
        "the catch-all: the user holds a blank or a control character, which Courier cannot read",
    ),
    "a line end in a password": (
        [Route("", "b.example", 587, "required", None, "bob", "secret\n")],
        "the catch-all: the password holds a blank or a control character, which Courier cannot read",
    ),
    "a login that is too long": (
        [Route("", "b.example", 587, "required", None, "bob", "s" * 237)],
        "the catch-all: relay, user and password are longer than 254 bytes, where Courier cuts off",
    ),
}

CREDENTIALS = {
    "no login, no line": ([Route("", "b.example", 587, "required")], ""),
    "a login is found by relay and port": (
        [Route("", "B.example", 587, "required", None, "bob", "secret")],
        "b.example,587 bob secret\n",
    ),
    "a default port is in the key too": (
        [Route("", "b.example", None, "smtps", None, "bob", "secret")],
        "b.example,465 bob secret\n",
    ),
    "a relay has one line": (
        [
            Route("a.example", "b.example", 587, "required", None, "bob", "secret"),
            Route("", "B.example", 587, "required", None, "bob", "secret"),
        ],
        "b.example,587 bob secret\n",
    ),
    "another port is another login": (
        [
            Route("a.example", "b.example", 587, "required", None, "bob", "secret"),
            Route("", "b.example", 465, "smtps", None, "eve", "other#"),
        ],
        "b.example,587 bob secret\nb.example,465 eve other#\n",
    ),
    "254 bytes are not too long": (
        [Route("", "b.example", 587, "required", None, "bob", "s" * 236)],
        f"b.example,587 bob {'s' * 236}\n",
    ),
}

MODERN, INTERMEDIATE = priority("modern"), priority("intermediate")
HANDSHAKES = {
    "the world is met as courierd has it": ([Route(""), Route("a.example", "b.example", security="required")], ""),
    "a relay is verified": ([Route("", "B.example", None, "smtps")], f"b.example,465 verified {MODERN}\n"),
    "unless it is said not to be": (
        [Route("", "b.example", None, "smtps", verify=False)],
        f"b.example,465 unverified {MODERN}\n",
    ),
    "an address has no name to verify": (
        [Route("", "[2001:DB8::1]", 587, "required")],
        f"[2001:db8::1],587 unverified {MODERN}\n",
    ),
    "another profile": (
        [Route("", "b.example", 587, "required", tls_profile="intermediate")],
        f"b.example,587 verified {INTERMEDIATE}\n",
    ),
    "without security a relay is met like the world": ([Route("", "b.example", 2525)], "b.example,2525 unverified\n"),
    "a relay has one line": (
        [Route("a.example", "b.example", None, "smtps"), Route("", "b.example", 465, "smtps")],
        f"b.example,465 verified {MODERN}\n",
    ),
}
CONTRADICTIONS = {
    "one relay, two profiles": (
        [
            Route("a.example", "b.example", 587, "required"),
            Route("", "b.example", 587, "required", tls_profile="intermediate"),
        ],
        "the catch-all and a.example share the relay b.example,587, which has one TLS; "
        "give both the same security, tls_profile and verify",
    ),
    "a verified relay and one that is not, on one port": (
        [Route("a.example", "b.example", 587, "required"), Route("", "[192.0.2.1]", 587, "required")],
        "the catch-all and a.example have relays on port 587, and only one has its certificate verified, so a forged "
        "answer of DNS could lead mail or a login for that one to the other; verify both, or use another port for one",
    ),
}

SHARED = {
    "another password": Route("", "b.example", 587, "required", None, "bob", "other"),
    "no login": Route("", "B.example", 587, "required"),
}

MASKED = {
    "the password of a login": ("b.example,587 bob secret\n", "b.example,587 bob ********\n"),
    "all that follows a user": ("  b.example\tbob\tsecret more\r\n", "b.example bob ********\n"),
    "a line that is no login": ("bob:secret\nbob secret\n", "********\n********\n"),
    "nothing of an empty line": ("\nb.example bob secret", "\nb.example bob ********"),
}


@pytest.mark.parametrize(("text", "routes"), ROUTES.values(), ids=ROUTES)
def test_text_and_routes_say_the_same(text: str, routes: list[Route]) -> None:
    assert render(routes) == text
    assert parse(text) == routes


@pytest.mark.parametrize(("route", "text"), SPELLINGS.values(), ids=SPELLINGS)
def test_writes_one_spelling(route: Route, text: str) -> None:
    assert render([route]) == text


@pytest.mark.parametrize(("text", "routes"), READ.values(), ids=READ)
def test_reads_what_courier_reads(text: str, routes: list[Route]) -> None:
    assert parse(text) == routes


@pytest.mark.parametrize(("routes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_courier_would_misread(routes: list[Route], sentence: str) -> None:
    with pytest.raises(RouteError) as refusal:
        render(routes)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("routes", "text"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_logins(routes: list[Route], text: str) -> None:
    assert render_credentials(routes) == text


@pytest.mark.parametrize(("routes", "text"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_handshakes(routes: list[Route], text: str) -> None:
    assert render_tls(routes) == text


@pytest.mark.parametrize(("routes", "sentence"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_port_and_a_relay_have_one_way_to_be_met(routes: list[Route], sentence: str) -> None:
    with pytest.raises(RouteError) as refusal:
        render_tls(routes)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("second", SHARED.values(), ids=SHARED)
def test_a_relay_has_one_login(second: Route) -> None:
    first = Route("a.example", "b.example", 587, "required", None, "bob", "secret")
    with pytest.raises(RouteError) as refusal:
        render_credentials([first, second])
    assert str(refusal.value) == (
        "route 2 (the catch-all) and route 1 (a.example) share the relay b.example,587, and Courier keeps one login "
        "for it; give both the same user and password"
    )


@pytest.mark.parametrize(("text", "shown"), MASKED.values(), ids=MASKED)
def test_shows_no_password(text: str, shown: str) -> None:
    assert mask_credentials(text) == shown


NAMES = st.from_regex(r"[a-zü]([a-z0-9-]{0,4}[a-z0-9])?(\.[a-zü]{2,4}){1,2}", fullmatch=True)
RELAYS = st.one_of(
    NAMES,
    st.ip_addresses(v=4).map(lambda address: f"[{address}]"),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded}]"),
)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    relay = draw(st.just("") | RELAYS)
    security = draw(st.sampled_from([None, *SECURITY] if relay else [None, "required"]))
    ports = st.integers(1, 65535).filter(lambda port: port not in (25, 465))
    port = draw(st.none() | ports) if relay else None
    family = draw(st.sampled_from([None, *FAMILY])) if not relay.startswith("[") else None
    login = draw(st.none() | st.tuples(st.text("ab#", min_size=1), st.text("ab/é", min_size=1)))
    user, password = login if login and security and relay and not relay.startswith("[") else (None, None)
    return Route(draw(NAMES), relay, port, security, family, user, password)


@given(st.lists(routes(), unique_by=lambda route: route.domain))
def test_what_is_written_is_what_is_read(given_routes: list[Route]) -> None:
    written = [canonical(route) for route in given_routes]

    assert parse(render(given_routes)) == [route._replace(user=None, password=None, verify=None) for route in written]
    assert render(written) == render(given_routes)


@given(st.text())
def test_reads_any_text(text: str) -> None:
    parse(text)
    mask_credentials(text)
