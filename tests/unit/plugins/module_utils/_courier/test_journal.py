"""Courier's lines in the journal, as 1.0.16 and 1.4.1 wrote them."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.journal import Delivery, read, sent_by

ID = "000000006B069D9B.00000B81"
LOCAL = "module=local,host=alice@example.com!!5000!5000!/srv/vmail/example.com/alice!!1073741824S"


def lines(*said):
    """Each line a second later than the one before."""
    return [
        f"{1795595675 + number}.5 mx1.example.com {line.replace('ID', f'000000000020E307.{ID}')}"
        for number, line in enumerate(said)
    ]


ROOT = {"id": ID, "sender": "root@mx1.example.com"}
FROM = "from=<root@mx1.example.com>"
TO = "addr=<mailbox@example.net>"
READ = {
    "into a mailbox": (
        [
            "courierd[1]: newmsg,id=ID: dns; localhost (localhost [127.0.0.1])",
            f"courierd[1]: started,id=ID,{FROM},{LOCAL},addr=<alice@example.com>",
            f"courierlocal[2]: id=ID,{FROM},addr=<alice@example.com>,size=596,success: Message delivered.",
            "courierd[1]: completed,id=ID",
        ],
        [
            Delivery(
                **ROOT, recipient="alice@example.com", outcome="delivered", said="Message delivered.", at=1795595677.5
            )
        ],
    ),
    "passed on": (
        [
            f"courierd[1]: started,id=ID,{FROM},module=esmtp,host=example.net,{TO}",
            f"courieresmtp[2]: id=ID,{FROM},{TO}: 250 2.0.0 Ok: queued as E85671F806A",
            f"courieresmtp[2]: id=ID,{FROM},{TO},success: delivered: mx.example.net [2001:db8::25]",
            f"courieresmtp[2]: id=ID,{FROM},{TO},status: success",
        ],
        [
            Delivery(
                **ROOT,
                recipient="mailbox@example.net",
                outcome="passed",
                said="250 2.0.0 Ok: queued as E85671F806A",
                peer="mx.example.net",
                at=1795595678.5,
            )
        ],
    ),
    "by a connection that was closed meanwhile": (
        [
            f"courierd[1]: started,id=ID,{FROM},module=esmtp,host=example.net,{TO}",
            f"courieresmtp[2]: id=ID,{FROM},{TO}: <command failed>",
        ],
        [
            Delivery(
                **ROOT, recipient="mailbox@example.net", outcome="waiting", said="<command failed>", at=1795595676.5
            )
        ],
    ),
    "refused at once": (
        [
            f"courierd[1]: id=ID,{FROM},addr=<nobody@mx1.example.com>: 550 User <nobody> unknown",
            f"courierd[1]: id=ID,{FROM},addr=<nobody@mx1.example.com>,status: failure",
        ],
        [
            Delivery(
                **ROOT,
                recipient="nobody@mx1.example.com",
                outcome="refused",
                said="550 User <nobody> unknown",
                at=1795595676.5,
            )
        ],
    ),
    "a reason of several lines": (
        [
            f"courieresmtp[2]: id=ID,{FROM},{TO}: 451-Not now.",
            f"courieresmtp[2]: id=ID,{FROM},{TO}: 451 Come again",
            f"courieresmtp[2]: id=ID,{FROM},{TO},status: deferred",
        ],
        [
            Delivery(
                **ROOT,
                recipient="mailbox@example.net",
                outcome="waiting",
                said="451-Not now. 451 Come again",
                at=1795595677.5,
            )
        ],
    ),
    "tried once more": (
        [
            f"courieresmtp[2]: id=ID,{FROM},{TO}: 451 Come again",
            f"courieresmtp[2]: id=ID,{FROM},{TO},status: deferred",
            f"courierd[1]: started,id=ID,{FROM},module=esmtp,host=example.net,{TO}",
        ],
        [Delivery(**ROOT, recipient="mailbox@example.net", at=1795595677.5)],
    ),
    "the report is another message": (
        ["courierd[1]: started,id=ID,from=<>,module=dsn,host=,addr=<root@mx1.example.com>"],
        [],
    ),
    "a catch-all has its name later": (
        [
            "courierd[1]: started,id=ID,from=<>,module=local,host=alias!catchall-sat1!100!996!/etc!!,addr=<alias>",
            "courierlocal[2]: id=ID,from=<>,addr=<catchall-sat1@mx1>,size=631,success: Message delivered.",
        ],
        [Delivery(ID, "", "catchall-sat1@mx1", "delivered", "Message delivered.", at=1795595676.5)],
    ),
    "what a sender writes is no field": (
        [f'courierd[1]: id=ID,from=<"a>,addr=<bob@example.com>,success: x"@example.net>,{TO}: 550 No'],
        [
            Delivery(
                ID,
                '"a>,addr=<bob@example.com>,success: x"@example.net',
                "mailbox@example.net",
                said="550 No",
                at=1795595675.5,
            )
        ],
    ),
    "other lines": (
        ["courierd[1]: Waiting.  shutdown time=none", f"courieresmtpd[1]: error,relay=::1,{FROM},to=<a@b>: 550 No"],
        [],
    ),
}


@pytest.mark.parametrize(("said", "deliveries"), READ.values(), ids=READ)
def test_read(said, deliveries):
    assert read(lines(*said)) == deliveries


def test_a_courier_tells_how_it_calls_what_it_took():
    took = Delivery(ID, "", "", "passed", "250 Ok. 000000006B069D9B.00000B86", "mx1.example.com")
    assert took.next_id == "000000006B069D9B.00000B86"
    assert took._replace(said="250 2.0.0 Ok: queued as E85671F806A").next_id == ""
    assert took._replace(outcome="waiting").next_id == ""


def delivery(second, number, recipient, sender="root@mx1.example.com"):
    return Delivery(f"{second:016X}.{number:08X}", sender, recipient)


SENT = {
    "the recipient decides": ([delivery(100, 1, "bob@a"), delivery(100, 2, "alice@a")], 2),
    "behind an alias": ([delivery(100, 1, "bob@a")], 1),
    "not before": ([delivery(98, 1, "alice@a")], 0),
    "not after": ([delivery(103, 1, "alice@a")], 0),
    "not of another": ([delivery(100, 1, "alice@a", sender="")], 0),
    "in whichever case": ([delivery(100, 1, "Alice@A"), delivery(100, 2, "bob@a")], 1),
}


@pytest.mark.parametrize(("deliveries", "number"), SENT.values(), ids=SENT)
def test_sendmail_does_not_tell_the_id(deliveries, number):
    found = sent_by(deliveries, "root@mx1.example.com", "alice@a", 99.9, 102.1)
    assert found == next((one.id for one in deliveries if one.id.endswith(f"{number:08X}")), "")
