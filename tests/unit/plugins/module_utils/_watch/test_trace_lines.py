"""What a line says, and what lines do not say that strangers write into them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from plugins.module_utils._watch._trace_lines import (
    Completed,
    Connected,
    Forwarded,
    New,
    Refused,
    Said,
    Started,
    address_of,
    read,
    same,
)
from tests.unit.traced import ID, T, judged, line, named, short

ONE = short(1)
FROM, TO = "from=<ann@example.net>", "addr=<bob@example.com>"
BOTH = ("ann@example.net", "bob@example.com")
REFUSED = "error,relay=::ffff:192.0.2.7,port=39336"

SAYS = {
    "a message from a client": (
        "courierd",
        "newmsg,id=ID: dns; helo (name.example.net [::ffff:192.0.2.7])",
        New(ONE, T, "", "helo", "name.example.net", "192.0.2.7", 1),
    ),
    "a client without a name": (
        "courierd",
        "newmsg,id=ID: dns; mx1.example.com ([::ffff:127.25.80.183])",
        New(ONE, T, "", "mx1.example.com", "", "127.25.80.183", 1),
    ),
    "a client of IPv6 who logged in": (
        "courierd",
        "newmsg,id=ID, auth=bob@example.com: dns; [x] (y) ([2001:db8::1])",
        New(ONE, T, "bob@example.com", "[x] (y)", "", "2001:db8::1", 1),
    ),
    "a delivery": (
        "courierd",
        f"started,id=ID,{FROM},module=local,host=bob@example.com!!5000!5000!/srv!!,{TO}",
        Started(ONE, T, *BOTH, "local", "bob@example.com!!5000!5000!/srv!!", 1),
    ),
    "a reason": ("courieresmtp", f"id=ID,{FROM},{TO}: 451 Later", Said(ONE, T, *BOTH, "text", "451 Later")),
    "a status": ("courierlocal", f"id=ID,{FROM},{TO},status: deferred", Said(ONE, T, *BOTH, "status", "deferred")),
    "a success": (
        "courierlocal",
        f"id=ID,{FROM},{TO},size=509,success: Message delivered.",
        Said(ONE, T, *BOTH, "success", "Message delivered."),
    ),
    "a failure at once": ("courierd", f"id=ID,{FROM},{TO}: 550 No", Said(ONE, T, *BOTH, "text", "550 No")),
    "an end": ("courierd", "completed,id=ID", Completed(ONE, T)),
    "a connection": (
        "courieresmtpd",
        "started,ip=[::ffff:192.0.2.7],port=[35458]",
        Connected(T, "192.0.2.7", 700, "courier.service"),
    ),
    "an unknown recipient": (
        "courieresmtpd",
        f"{REFUSED},from=<ann@example.net>,to=<x@example.com>: 550 User <x@example.com> unknown",
        Refused(
            T, "192.0.2.7", 39336, "ann@example.net", "x@example.com", "RCPT TO", "550 User <x@example.com> unknown"
        ),
    ),
    "an unwanted sender": (
        "courieresmtpd",
        f"{REFUSED},from=<a@spam.example.net>: 517 Sender rejected: a@spam.example.net",
        Refused(
            T, "192.0.2.7", 39336, "a@spam.example.net", "", "MAIL FROM", "517 Sender rejected: a@spam.example.net"
        ),
    ),
    "somebody who did not log in": (
        "courieresmtpd",
        f'{REFUSED},msg="535 Authentication required.",cmd: MAIL FROM:<ann@example.net>',
        Refused(T, "192.0.2.7", 39336, "ann@example.net", "", "MAIL FROM", "535 Authentication required."),
    ),
    "an empty command": (
        "courieresmtpd",
        f'{REFUSED},msg="502 ESMTP command error",cmd:',
        Refused(T, "192.0.2.7", 39336, "", "", "", "502 ESMTP command error"),
    ),
    "what was passed on": ("courier-forward", "passed on: a as b to c", Forwarded(T, "passed on", "a as b to c")),
    "bytes that are no text": (
        "courierlocal",
        f"id=ID,{FROM},{TO}: caf\xe9 \x1b[31m",
        Said(ONE, T, *BOTH, "text", "café ?[31m"),
    ),
    "a quoted address with a bracket": (
        "courieresmtp",
        'id=ID,from=<"a>b"@example.net>,addr=<"c\\">d"@example.com>: 550 No',
        Said(ONE, T, '"a>b"@example.net', '"c\\">d"@example.com', "text", "550 No"),
    ),
    "an address that was cut": (
        "courieresmtp",
        f"id=ID,from=<{'x' * 128}...>,{TO}: 550 No",
        Said(ONE, T, "x" * 128 + "...", "bob@example.com", "text", "550 No"),
    ),
}


@pytest.mark.parametrize(("identifier", "text", "event"), SAYS.values(), ids=SAYS)
def test_a_line_says(identifier, text, event):
    assert read(line(0, identifier, text)) == event


NOT = {
    "of another program": ("postfix", f"id=ID,{FROM},{TO},success: Message delivered."),
    "with a line end in it": ("courierlocal", f"id=ID,{FROM},{TO},success: x\nid=ID,{FROM},{TO},success: y"),
    "which has something before it": ("courierd", "x completed,id=ID"),
    "which has something after it": ("courierd", "completed,id=ID x"),
    "whose id is none": ("courierd", "completed,id=1.2.3"),
    "of a filter's own, by a client": ("courieresmtpd", 'courier_mail: {"id": "ID", "verdict": "pass"}'),
    "of a filter, not as JSON": ("pythonfilter", "courier_mail: {"),
    "of a filter, about nothing": ("pythonfilter", 'courier_mail: {"id": 1}'),
    "of another filter": ("pythonfilter", 'other: {"id": "ID"}'),
    "of a filter, a probe": ("pythonfilter", 'courier_mail: {"id": "probe"}'),
    "of Courier itself": ("courierd", "Waiting.  shutdown time=none, wakeup time=none, queuedelivering=0"),
}


@pytest.mark.parametrize(("identifier", "text"), NOT.values(), ids=NOT)
def test_no_line(identifier, text):
    assert read(line(0, identifier, text)) is None


# Whoever writes it, a line says one thing, about the message whose line it is.
IMITATIONS = {
    "a client's name for itself": (
        "courierd",
        f"newmsg,id=ID: dns; x: completed,id=ID2 (ID3,{FROM},{TO},success: y) (n [::ffff:192.0.2.7])",
        "client",
        "192.0.2.7",
    ),
    "a login": ("courierd", "newmsg,id=ID, auth=a: dns; b ([::1]): dns; c ([::ffff:192.0.2.7])", "client", "192.0.2.7"),
    "a sender": (
        "courierd",
        f'started,id=ID,from=<">,module=dsn,host=,addr=<x"@example.net>,module=local,host=h,{TO}',
        "module",
        "local",
    ),
    "a recipient of a delivery": (
        "courierd",
        f'started,id=ID,{FROM},module=local,host=h,addr=<"x,addr=<y"@example.com>',
        "recipient",
        '"x,addr=<y"@example.com',
    ),
    "a reply": (
        "courieresmtp",
        f"id=ID,{FROM},{TO}: 550 id=ID2,{FROM},{TO},success: Message delivered.",
        "kind",
        "text",
    ),
    "a recipient": (
        "courieresmtp",
        f'id=ID,{FROM},addr=<"x>,success: delivered"@example.com>: 550 No',
        "text",
        "550 No",
    ),
    "a refused sender": (
        "courieresmtpd",
        f"{REFUSED},from=<a@example.net>: 517 Sender rejected: a: 250 Ok",
        "reply",
        "517 Sender rejected: a: 250 Ok",
    ),
}


@pytest.mark.parametrize(("identifier", "text", "name", "value"), IMITATIONS.values(), ids=IMITATIONS)
def test_imitations(identifier, text, name, value):
    event = read(line(0, identifier, text))
    assert getattr(event, name) == value
    assert getattr(event, "id", ONE) == ONE


# What a journal's line can be: any bytes but a line end.
TEXTS = some.text(some.characters(max_codepoint=255, exclude_characters="\n"), max_size=100)


@given(TEXTS)
def test_whatever_a_client_calls_itself_its_address_is_the_kernels(helo):
    event = read(line(0, "courierd", f"newmsg,id={ID}: dns; {helo} (name.example.net [::ffff:192.0.2.7])"))
    assert (event.id, event.client, event.name) == (ONE, "192.0.2.7", "name.example.net")
    assert event.helo.isprintable()


@given(TEXTS)
def test_whatever_a_host_answers_it_is_an_answer(reply):
    event = read(line(0, "courieresmtp", f"id={ID},{FROM},{TO}: {reply}"))
    assert (event.id, event.sender, event.recipient, event.kind) == (ONE, *BOTH, "text")


@given(some.dictionaries(some.text(max_size=5), TEXTS, max_size=3))
def test_whatever_is_in_a_filters_line_nothing_breaks(entry):
    assert read(judged(0, ID, **{f"x{name}": value for name, value in entry.items()})).id == ONE


PASSWORDS = {
    "plain": ("AUTH PLAIN AGJvYkBleGFtcGxlLmNvbQBjb3Jy bob@example.com", "bob@example.com"),
    "login": ("AUTH LOGIN Y29ycmVjdGhvcnNl bob@example.com", "bob@example.com"),
    "the account alone": ("AUTH LOGIN bob@example.com", "bob@example.com"),
    "another verb": ("correcthorse", ""),
    "in the place of the account": ("AUTH PLAIN correcthorse", "correcthorse"),
}


@pytest.mark.parametrize(("typed", "account"), PASSWORDS.values(), ids=PASSWORDS)
def test_nothing_of_what_a_client_typed_is_kept_but_to_compare(typed, account):
    event = read(line(0, "courieresmtpd", f'{REFUSED},msg="535 Authentication failed.",cmd: {typed}'))
    assert event.account == account
    shown = repr(event)
    assert not any(word in shown for word in ("AGJv", "Y29y", "correcthorse", "bob@"))


def test_the_filters():
    assert read(judged(0, ID)).entry["verdict"] == "pass"
    assert read(named(0, ID)).entry["message_id"] == "<1@example.net>"


def test_an_address_is_the_same_where_one_was_cut():
    whole = "x" * 140 + "@example.net"
    assert same(whole, whole[:128] + "...")
    assert same(whole[:128] + "...", whole)
    assert same("Bob@example.com", "bob@EXAMPLE.com")
    assert not same("bob@example.com", "bob@example.net")
    assert not same("bob...", "bob@example.com")


def test_an_address_of_a_host():
    assert address_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_of("2001:DB8::1") == "2001:db8::1"
    assert address_of("mx.example.net") == ""
