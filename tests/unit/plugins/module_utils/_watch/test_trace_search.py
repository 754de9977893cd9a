"""Messages are found by what people know of them, followed, and what became of them is said in plain words."""

from __future__ import annotations

import json
import time

import pytest

from plugins.module_utils._filters._names import local_name
from plugins.module_utils._watch._trace_disk import source
from plugins.module_utils._watch._trace_lines import read
from plugins.module_utils._watch._trace_search import QueryError, moment, query
from plugins.module_utils._watch._trace_story import Book, as_text
from tests.unit.traced import T, judged, line, named, number, short, traced, verdicts

ANN, BOB = "ann@example.net", "bob@example.com"
FROM, TO = f"from=<{ANN}>", f"addr=<{BOB}>"
LOCAL = "module=local,host=bob@example.com!!5000!5000!/srv/vmail/example.com/bob!!"
NEW = "newmsg,id={}: dns; mail.example.net (mail.example.net [::ffff:192.0.2.7])"
HERE = "newmsg,id={}: dns; localhost (localhost [127.0.0.1])"


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def came(second=1, one="ID", new=NEW, sender=ANN, recipient=BOB):
    """A message that is about to be delivered to somebody."""
    return [
        line(second, "courierd", new.format(one)),
        line(second + 0.1, "courierd", f"started,id={one},from=<{sender}>,{LOCAL},addr=<{recipient}>"),
    ]


def delivered(second=2, one="ID", sender=ANN, recipient=BOB):
    said = f"id={one},from=<{sender}>,addr=<{recipient}>,size=509,success: Message delivered."
    return [line(second, "courierlocal", said), line(second + 0.1, "courierd", f"completed,id={one}")]


def tried(second, text, status, one="ID", recipient="carol@example.org", sender=BOB):
    """A try to give a message to another host."""
    head = f"id={one},from=<{sender}>,addr=<{recipient}>"
    took = [f"{head},success: delivered: mx.example.org [192.0.2.9]"] if status == "success" else []
    said = [f"{head}: {text}", *took, f"{head},status: {status}"]
    begins = f"started,id={one},from=<{sender}>,module=esmtp,host=mx.example.org,addr=<{recipient}>"
    return [
        line(second, "courierd", begins),
        *(line(second + 0.1 * number, "courieresmtp", text) for number, text in enumerate(said, 1)),
        line(second + 0.5, "courierd", f"completed,id={one}"),
    ]


OUT = [line(1, "courierd", "newmsg,id=ID, auth=bob@example.com: dns; laptop ([::ffff:192.0.2.8])")]
LATER = "451 4.3.0 Come again"


def test_delivered():
    found = traced([*came(), *delivered()], address=BOB)
    assert verdicts(found) == {
        BOB: "delivered to the mailbox of bob@example.com at 2026-11-25 08:34:37, 1.0 s after it came"
    }
    assert found["said"] == "The journal begins at 2026-11-25 08:34:36."
    assert found["messages"][0]["how"] == "from 192.0.2.7, which calls itself mail.example.net"
    assert not found["more"]


def test_through_which_door_and_how_encrypted():
    told = [
        line(0.5, "courieresmtpd", "started,ip=[::ffff:192.0.2.7],port=[40000]", "courier-msa.service"),
        judged(0.9, login=BOB),
        named(0.9),
        line(1, "courierd", "newmsg,id=ID, auth=bob@example.com: dns; laptop ([::ffff:192.0.2.7])"),
    ]
    how = traced(told, id=number(1))["messages"][0]["how"]
    assert how == "from 192.0.2.7, which calls itself laptop, to port 587, over TLS1.3, logged in as bob@example.com"
    other = line(0.6, "courieresmtpd", "started,ip=[::ffff:192.0.2.7],port=[40001]", "courier-mta.service")
    assert "port" not in traced([*told, other], id=number(1))["messages"][0]["how"]


def test_without_tls():
    found = traced([named(0.9, tls=""), *came()], id=number(1))
    assert found["messages"][0]["how"].endswith("mail.example.net, without TLS")


def test_fetched(tmp_path):
    (tmp_path / "office.json").write_text('{"label": "bob at imap.example.net"}')
    new = f"newmsg,id={{}}: dns; mx1.example.com ([::ffff:{source('office')}])"
    found = traced([*came(new=new), *delivered()], fetchmail=str(tmp_path), address=BOB)
    assert found["messages"][0]["how"] == "fetched by fetchmail from bob at imap.example.net"
    assert traced(came(new=new), address=BOB)["messages"][0]["how"].endswith("from a mailbox elsewhere")


def test_given_to_another_host():
    took = "250 Ok. 000000006B069D9C.00000B86"
    found = traced([*OUT, *tried(2, took, "success")], address="carol@example.org")
    assert verdicts(found) == {
        "carol@example.org": "mx.example.org took it at 2026-11-25 08:34:37, 1.2 s after it came: "
        "250 Ok. 000000006B069D9C.00000B86; it is 000000006B069D9C.00000B86 there"
    }


@pytest.mark.parametrize("asked", [{"address": "carol@example.org"}, {"host": "192.0.2.8"}])
def test_deferred_then_delivered(asked):
    told = [*OUT, *tried(2, LATER, "deferred"), *tried(302, LATER, "deferred"), *tried(602, "250 Ok", "success")]
    found = traced(told, address="carol@example.org")
    assert verdicts(found)["carol@example.org"].startswith(
        "mx.example.org took it at 2026-11-25 08:44:37, 10.0 minutes"
    )
    (row,) = found["messages"][0]["recipients"]
    assert [one["outcome"] for one in row["attempts"]] == ["waiting", "waiting", "passed"]
    assert as_text(found).count(f"waiting: {LATER}") == 2


WAITS = "still waits: mx.example.org answered 451 4.3.0 Come again; 2 tries, the last at 2026-11-25 08:39:37; "


def test_still_waits(tmp_path):
    told = [*OUT, *tried(2, LATER, "deferred"), *tried(302, LATER, "deferred")]
    unknown = traced(told, address="carol@example.org")
    assert verdicts(unknown) == {"carol@example.org": WAITS + "when it is tried next is not known"}
    (tmp_path / "msgs/1").mkdir(parents=True)
    (tmp_path / "msgq/179559").mkdir(parents=True)
    gone = traced(told, queue=str(tmp_path), address="carol@example.org")
    assert verdicts(gone)["carol@example.org"].startswith("waited, and is not in the queue any more: mx.example.org")
    (tmp_path / "msgs/1/C1").write_text(f"sbob@example.com\nM{number(1)}\n")
    (tmp_path / f"msgq/179559/C1.{T + 900}").touch()
    found = traced(told, queue=str(tmp_path), address="carol@example.org")
    assert verdicts(found) == {"carol@example.org": WAITS + "next at 2026-11-25 08:49:35"}
    assert found["messages"][0]["recipients"][0]["next"] == T + 900


def test_a_reply_of_several_lines():
    head = "id=ID,from=<bob@example.com>,addr=<carol@example.org>"
    told = [
        *OUT,
        *(line(2, "courieresmtp", f"{head}: {said}") for said in ("451-Not now.", "451 Come again")),
        line(2.1, "courieresmtp", f"{head},status: deferred"),
    ]
    assert "451-Not now. 451 Come again" in verdicts(traced(told, id=number(1)))["carol@example.org"]


def test_being_delivered_and_tried_again():
    assert verdicts(traced(came(), address=BOB)) == {BOB: "in delivery since 2026-11-25 08:34:36"}
    told = [*OUT, *tried(2, LATER, "deferred"), tried(302, LATER, "deferred")[0]]
    assert verdicts(traced(told, address=BOB))["carol@example.org"] == (
        "is being tried again since 2026-11-25 08:39:37, after 1 try"
    )


def test_bounced():
    report = short(2, 3)
    told = [
        *OUT,
        *tried(2, "550 5.1.1 Unknown", "failure"),
        line(3, "courierd", f"started,id=ID,from=<{BOB}>,module=dsn,host=,addr=<{BOB}>"),
        line(3.2, "courierd", HERE.format(number(2, 3))),
        line(3.3, "courierd", f"started,id={number(2, 3)},from=<>,{LOCAL},{TO}"),
        line(3.4, "courierlocal", f"id={number(2, 3)},from=<>,{TO},size=9,success: Message delivered."),
        line(3.5, "courierd", f"completed,id={number(2, 3)}"),
    ]
    found = traced(told, address="carol@example.org")
    assert verdicts(found) == {
        "carol@example.org": f"given up at 2026-11-25 08:34:37, 1.2 s after it came: 550 5.1.1 Unknown; "
        f"report {report} went to the sender"
    }
    assert [one["id"] for one in found["messages"]] == [short(1), report]
    assert found["messages"][1]["how"] == f"made here of {short(1)}"
    assert found["messages"][1]["recipients"][0]["state"] == "delivered"
    # And from the report back to what it is about.
    assert [one["id"] for one in traced(told, id=report)["messages"]] == [short(1), report]


def test_a_warning_that_it_takes_long():
    warning = number(2, 3)
    told = [
        *OUT,
        *tried(2, LATER, "deferred"),
        line(3, "courierd", f"started,id=ID,from=<>,module=dsn,host=deferred,addr=<{BOB}>"),
        *came(3.2, warning, HERE, ""),
        *delivered(3.4, warning, ""),
    ]
    found = traced(told, address="carol@example.org")
    first, second = found["messages"]
    assert (first["reports"], first["warnings"], second["came_of"]) == ([], [short(2, 3)], short(1))
    assert f"warning {short(2, 3)} went to the sender" in as_text(found)
    assert first["sender"] == BOB


def test_one_name_for_what_begins_under_another():
    """As Courier tells it of a domain that hosteddomains has as another one's."""
    told = [
        judged(0.9, to=["bob@also.example.com", "carol@example.com"]),
        *came(recipient="bob@example.com"),
        line(1.2, "courierd", f"started,id=ID,{FROM},{LOCAL},addr=<carol@example.com>"),
        *delivered(2, recipient="bob@also.example.com"),
    ]
    rows = traced(told, id=number(1))["messages"][0]["recipients"]
    assert {row["address"]: row["state"] for row in rows} == {
        "bob@also.example.com": "delivered",
        "carol@example.com": "",
    }


@pytest.mark.parametrize("written", ["bob-lists@example.com", "bob+lists@example.com", "Bob-Lists@also.example.com"])
def test_one_name_for_an_account_and_its_extension(written):
    place = "module=local,host=bob@example.com!lists!5000!5000!/srv/vmail/example.com/bob!!"
    told = [
        line(1, "courierd", NEW.format("ID")),
        line(1.1, "courierd", f"started,id=ID,{FROM},{place},{TO}"),
        *delivered(recipient=written),
    ]
    assert list(verdicts(traced(told, id=number(1)))) == [written]


def test_one_name_is_not_another_recipient():
    """Bob is at both, and one delivery is done."""
    told = [
        *came(recipient="bob@example.com"),
        *came(recipient="bob@example.org")[1:],
        *delivered(2, recipient="bob@example.org"),
    ]
    rows = traced(told, id=number(1))["messages"][0]["recipients"]
    assert {row["address"]: row["state"] for row in rows} == {"bob@example.com": "", "bob@example.org": "delivered"}


def test_one_name_that_is_done_is_not_renamed():
    refused = f"id=ID,{FROM},addr=<bob@example.org>"
    told = [
        *came(),
        *delivered(2),
        line(2.5, "courierd", f"{refused}: 550 No"),
        line(2.6, "courierd", f"{refused},status: failure"),
    ]
    rows = traced(told, id=number(1))["messages"][0]["recipients"]
    assert {row["address"]: row["state"] for row in rows} == {BOB: "delivered", "bob@example.org": "refused"}


def test_not_tried_yet():
    told = [judged(0.9, to=[BOB, "carol@example.com"]), *came()]
    said = verdicts(traced(told, id=number(1)))
    assert said["carol@example.com"] == "is in the queue and was not tried yet, as far as the journal goes"
    assert said[BOB].startswith("in delivery")
    # Done is done, under whichever name.
    told += delivered()
    assert list(verdicts(traced(told, id=number(1)))) == [BOB]


SRS = "SRS0-abcd=TT=example.net=ann@mx1.example.com"


def forwarded(name="frank@example.com"):
    return [
        *came(recipient=name),
        line(1.4, "courier-forward", f"passed on: {ANN} as {SRS} to frank@example.org"),
        line(1.3, "courierd", HERE.format("ID2")),
        *delivered(recipient=name),
        *tried(2.5, "250 Ok", "success", "ID2", "frank@example.org", SRS),
    ]


@pytest.mark.parametrize("asked", [{"address": "frank@example.com"}, {"address": SRS}, {"id": number(2)}])
def test_forwarded(asked):
    found = traced(forwarded(), **asked)
    assert [one["id"] for one in found["messages"]] == [short(1), short(2)]
    assert verdicts(found)["frank@example.com"].startswith("handed over for frank@example.com at ")
    assert verdicts(found)["frank@example.com"].endswith(
        f"passed on by the forwarding service, where it became {short(2)}"
    )
    assert found["messages"][0]["recipients"][0]["state"] == "forwarded"
    assert found["messages"][1]["recipients"][0]["verdict"].startswith("mx.example.org took it")


ALIASES = {
    local_name("forward", "left@example.com"): "handed to the forwarding service for left@example.com",
    local_name("program", "list-request@example.com"): "handed to the program of list-request@example.com",
    local_name("catchall", "@shop.example.com"): "handed on by the catch-all of shop.example.com",
    local_name("catchall", "@shop.example.com") + "-desk-2": "handed on by the catch-all of shop.example.com",
    local_name("sink", "noreply@example.com"): "thrown away, as is all mail for noreply@example.com",
    local_name("sink", "j\u00fcrgen@example.com"): "thrown away, as is all mail for j\u00fcrgen@example.com",
    "own": "handed on by the alias directory for own@mx1.example.com",
}


@pytest.mark.parametrize(("alias", "said"), ALIASES.items(), ids=ALIASES)
def test_an_address_of_an_alias_directory_is_no_mailbox(alias, said):
    place = f"module=local,host=alias!{alias}!101!997!/etc/courier/aliasdir!!"
    told = [
        line(1, "courierd", NEW.format("ID")),
        line(1.1, "courierd", f"started,id=ID,{FROM},{place},addr=<alias>"),
        *delivered(recipient=f"{alias}@mx1.example.com"),
    ]
    found = traced(told, id=number(1))
    assert verdicts(found)[f"{alias}@mx1.example.com"].startswith(f"{said} at 2026")


def test_a_mailbox_may_have_such_a_name():
    told = [*came(recipient="forward-x@example.com"), *delivered(recipient="forward-x@example.com")]
    assert "mailbox of forward-x@example.com" in verdicts(traced(told, id=number(1)))["forward-x@example.com"]


def test_forwarded_after_a_while():
    """The copy is asked for, and what it came of was delivered a little earlier."""
    copy = number(2, 4)
    told = [
        *came(recipient="frank@example.com"),
        line(4.2, "courierd", HERE.format(copy)),
        line(4.3, "courier-forward", f"passed on: {ANN} as {SRS} to frank@example.org"),
        *delivered(4.5, recipient="frank@example.com"),
        *tried(5, "250 Ok", "success", copy, "frank@example.org", SRS),
    ]
    assert [one["id"] for one in traced(told, id=copy)["messages"]] == [short(1), short(2, 4)]


def test_forwarded_to_two_each_by_its_own_copy():
    told = forwarded()
    told += [
        *came(1.1, recipient="left@example.com")[1:],
        line(1.5, "courierd", HERE.format("ID3")),
        line(1.6, "courier-forward", f"passed on: {ANN} as {SRS} to left@example.org"),
        *delivered(2.1, recipient="left@example.com"),
        *tried(2.6, "250 Ok", "success", "ID3", "left@example.org", SRS),
    ]
    rows = {one["address"]: one["became"] for one in traced(told, id=number(1))["messages"][0]["recipients"]}
    assert rows == {"frank@example.com": [short(2)], "left@example.com": [short(3)]}


def twice(first_said=True):
    """The same from the same to the same, as when somebody sends two letters, and one line may be lost."""
    said = f"passed on: {ANN} as {SRS} to frank@example.org"
    return [
        *came(1, "ID", recipient="frank@example.com"),
        line(1.3, "courierd", HERE.format("ID2")),
        *([line(1.4, "courier-forward", said)] if first_said else []),
        *delivered(1.5, "ID", recipient="frank@example.com"),
        *tried(1.6, "250 Ok", "success", "ID2", "frank@example.org", SRS),
        *came(2.2, "ID3", recipient="frank@example.com"),
        line(2.35, "courierd", HERE.format("ID4")),
        line(2.4, "courier-forward", said),
        *delivered(2.8, "ID3", recipient="frank@example.com"),
        *tried(2.9, "250 Ok", "success", "ID4", "frank@example.org", SRS),
    ]


@pytest.mark.parametrize(("mine", "copy"), [(1, 2), (3, 4)])
def test_forwarded_twice_within_a_moment_each_by_its_own_copy(mine, copy):
    assert [one["id"] for one in traced(twice(), id=number(mine))["messages"]] == [short(mine), short(copy)]


def test_of_a_line_that_is_lost_nothing_is_made_up():
    assert [one["id"] for one in traced(twice(first_said=False), id=number(1))["messages"]] == [short(1)]
    assert [one["id"] for one in traced(twice(first_said=False), id=number(3))["messages"]] == [short(3), short(4)]


def test_one_copy_for_each_line():
    said = f"passed on: {ANN} as {SRS} to frank@example.org"
    told = [
        *came(1, recipient="frank@example.com"),
        *came(1.05, recipient="left@example.com")[1:],
        line(1.3, "courierd", HERE.format("ID2")),
        line(1.5, "courierd", HERE.format("ID3")),
        line(1.55, "courier-forward", said),
        line(1.6, "courier-forward", said),
        *delivered(1.7, recipient="frank@example.com"),
        *delivered(1.7, recipient="left@example.com"),
        *tried(2, "250 Ok", "success", "ID2", "frank@example.org", SRS),
        *tried(2, "250 Ok", "success", "ID3", "frank@example.org", SRS),
    ]
    rows = traced(told, id=number(1))["messages"][0]["recipients"]
    assert sorted(row["became"] for row in rows) == [[short(2)], [short(3)]]


def test_what_comes_much_later_is_no_copy():
    told = [
        one for one in twice() if short(2) not in one.text and short(3) not in one.text and short(4) not in one.text
    ]
    late = [line(9, "courierd", HERE.format("ID5")), *tried(9.1, "250 Ok", "success", "ID5", "frank@example.org", SRS)]
    book = Book()
    book.add(event for one in [*told, *late] if (event := read(one)))
    book.settle()
    assert book.letters[short(1)].recipients["frank@example.com"].became == []
    assert not book.letters[short(5)].came_of


def test_what_another_message_became_is_not_its_own():
    other = [*came(one="ID3", sender="eve@example.net"), *delivered(one="ID3", sender="eve@example.net")]
    assert traced([*forwarded(), *other], id=number(3))["messages"][0]["recipients"][0]["became"] == []


def test_a_report_to_what_was_forwarded_is_passed_on():
    """As Courier tells it: the name in lower case and without a domain, and as it was written when it is done."""
    address = "SRS0-aBcD=TT=example.net=ann@mx1.example.com"
    told = [
        line(1, "courierd", NEW.format("ID")),
        line(
            1.1,
            "courierd",
            "started,id=ID,from=<>,module=local,host=alias!srs0-abcd=tt=example.net=ann!101!997!/etc/courier/aliasdir!!,"
            "addr=<alias>",
        ),
        line(1.3, "courierd", HERE.format("ID2")),
        line(1.4, "courier-forward", f"passed on: a report to {address} to {ANN}"),
        *delivered(sender="", recipient=address),
        *tried(2.5, "250 Ok", "success", "ID2", ANN, ""),
    ]
    found = traced(told, id=number(1))
    assert [one["id"] for one in found["messages"]] == [short(1), short(2)]
    assert list(verdicts(found)) == [address]
    assert verdicts(found)[address].startswith(f"handed to the forwarding service, as a report to {address}")


REFUSAL = {
    "verdict": "refuse",
    "reply": "550 5.7.1 No programs",
    "filters": {"log": "pass", "attachments": "refuse: exe"},
}


@pytest.mark.parametrize(
    "asked",
    [{"address": BOB}, {"id": "<1@example.net>"}, {"id": "1@example.net"}, {"host": "192.0.2.7"}, {"address": ANN}],
)
def test_refused_by_a_filter(asked):
    told = [judged(1, **REFUSAL), named(1.01, sender=[ANN], recipients=[BOB])]
    found = traced(told, **asked)
    assert verdicts(found) == {
        BOB: "refused while the sender was on the line: 550 5.7.1 No programs by filter attachments"
    }
    assert found["messages"][0]["recipients"][0]["state"] == "refused"


def test_refused_by_a_filter_after_a_long_time():
    """Its id is of the second in which it began to come."""
    told = [judged(100, **REFUSAL), named(100.01, sender=[ANN], recipients=[BOB])]
    assert list(verdicts(traced(told, address=ANN))) == [BOB]


def test_what_a_client_heard_of_the_filters_is_not_told_twice():
    said = "error,relay=::ffff:192.0.2.7,port=3000,from=<ann@example.net>: 550 5.7.1 No programs"
    told = [judged(1, **REFUSAL), named(1.01, sender=[ANN], recipients=[BOB]), line(1.02, "courieresmtpd", said)]
    found = traced(told, address=ANN)
    assert (len(found["messages"]), found["refusals"]) == (1, [])
    # Without filters that say anything it is all that is known.
    (one,) = traced(told[2:], address=ANN)["refusals"]
    assert one["verdict"] == "refused while the sender was on the line: 550 5.7.1 No programs"
    assert len(traced([*told, told[2]._replace(at=told[2].at + 60)], address=ANN)["refusals"]) == 1


NOBODY = {
    "the client went away": ([judged(1), named(1)], "the filters let it in, and Courier never took it"),
    "a filter took it": (
        [judged(0.9, to=[]), named(0.9), line(1, "courierd", NEW.format("ID"))],
        "no recipient was left when the filters were done",
    ),
    "of no host with filters": ([line(1, "courierd", NEW.format("ID"))], "the journal names no recipient"),
}


@pytest.mark.parametrize(("told", "said"), NOBODY.values(), ids=NOBODY)
def test_no_recipient(told, said):
    found = traced(told, id=number(1))
    assert found["messages"][0]["nobody"].startswith(said)
    assert f"    {said}" in as_text(found)


def test_put_off_is_not_refused():
    said = "error,relay=::ffff:192.0.2.7,port=3000,from=<ann@example.net>,to=<bob@example.com>: 450 Service unavailable"
    (one,) = traced([line(1, "courieresmtpd", said)], address=ANN)["refusals"]
    assert one["verdict"].startswith("put off while the sender was on the line, at RCPT TO: 450")
    found = traced(
        [judged(1, **REFUSAL | {"reply": "451 4.3.0 Later", "verdict": "defer"}), named(1, sender=[ANN])], address=ANN
    )
    assert verdicts(found)[BOB].startswith("put off while the sender was on the line: 451 4.3.0 Later")


def test_what_the_filters_said_is_said_where_they_said_something():
    told = [judged(0.9, filters={"log": "pass", "rate": "pass", "spamd": "pass: 1.2"}), *came(), *delivered()]
    assert "    filters spamd pass: 1.2; 2 let it pass\n" in as_text(traced(told, address=BOB))
    assert "nothing is known" in as_text(traced([*came(), *delivered()], address=BOB))


@pytest.mark.parametrize("asked", [{"address": "list@example.org"}, {"address": "ann@lists.example.net"}])
def test_found_by_the_header(asked):
    found = traced([named(0.9), *came(), *delivered()], **asked)
    assert found["messages"][0]["message_id"] == "<1@example.net>"
    assert BOB in verdicts(found)


def test_found_by_what_was_written():
    told = [named(0.9, written=["sales@example.com"]), *came(), *delivered()]
    assert BOB in verdicts(traced(told, address="sales@example.com"))


def test_found_by_the_id_that_another_host_gave_it():
    told = [*OUT, *tried(2, "250 2.0.0 Ok: queued as E85671F806A", "success")]
    assert traced(told, id="E85671F806A")["messages"]
    assert not traced(told, id="E85671F806")["messages"]


@pytest.mark.parametrize("host", ["192.0.2.7", "::ffff:192.0.2.7", "mail.example.net", "Mail.Example.Net."])
def test_found_by_the_client(host):
    told = [*came(), *delivered(), *came(1, "ID2", NEW.replace("192.0.2.7", "192.0.2.77").replace("mail.", "mail7."))]
    assert [one["id"] for one in traced(told, host=host)["messages"]] == [short(1)]


def test_all_that_is_given_must_fit():
    told = [*came(), *delivered()]
    assert traced(told, address=BOB, host="192.0.2.7")["messages"]
    assert not traced(told, address=BOB, host="192.0.2.8")["messages"]


def test_within_a_time():
    told = [*came(), *delivered(), *came(3600, number(2, 3600)), *delivered(3601, number(2, 3600))]
    assert [one["id"] for one in traced(told, address=BOB, since="2026-11-25 09:00")["messages"]] == [short(2, 3600)]
    assert [one["id"] for one in traced(told, address=BOB, until="2026-11-25 09:00")["messages"]] == [short(1)]


def test_the_newest_are_shown_and_that_there_are_older_ones():
    told = []
    for one in range(1, 8):
        told += [*came(one * 100, number(one, one * 100)), *delivered(one * 100 + 1, number(one, one * 100))]
    found = traced(told, address=BOB, most=2)
    assert [one["id"] for one in found["messages"]] == [short(6, 600), short(7, 700)]
    assert found["more"]
    assert found["said"].endswith("There are older ones; ask for another time, or for more.")


def test_no_more_than_wanted_where_some_do_not_fit():
    told = []
    for one in range(1, 6):
        new = NEW.replace("192.0.2.7", "192.0.2.8") if one == 5 else NEW
        told += [*came(one * 100, number(one, one * 100), new), *delivered(one * 100 + 1, number(one, one * 100))]
    found = traced(told, address=BOB, host="192.0.2.7", most=2)
    assert [one["id"] for one in found["messages"]] == [short(3, 300), short(4, 400)]
    assert found["more"]


def test_nothing_is_known():
    found = traced([*came(), *delivered()], id=number(9, -86400))
    assert found["messages"] == found["refusals"] == []
    assert found["said"] == (
        "Nothing is known of it. By its id Courier took it at 2026-11-24 08:34:35. "
        "The journal begins at 2026-11-25 08:34:36."
    )
    assert traced([], address=BOB)["said"] == "Nothing is known of it. There is no journal."
    assert "where the filter log" in traced(came(), id="<x@example.net>")["said"]


RELAY = "error,relay=::ffff:192.0.2.7,port=39336"
REFUSALS = {
    "at RCPT": (
        f"{RELAY},{FROM},to=<x@example.com>: 550 User <x@example.com> unknown",
        "x@example.com",
        "RCPT TO",
        "550 User",
    ),
    "at MAIL": (
        f"{RELAY},from=<a@spam.example.net>: 517 Sender rejected",
        "a@spam.example.net",
        "MAIL FROM",
        "517 Sender",
    ),
    "at AUTH": (
        f'{RELAY},msg="535 Authentication failed.",cmd: AUTH PLAIN AGJvYkBleGFtcGxl {BOB}',
        BOB,
        "AUTH PLAIN",
        "535",
    ),
}


@pytest.mark.parametrize(("said", "address", "command", "reply"), REFUSALS.values(), ids=REFUSALS)
def test_refused_before_there_was_a_message(said, address, command, reply):
    found = traced([line(1, "courieresmtpd", said)], address=address)
    (one,) = found["refusals"]
    assert (one["client"], one["command"]) == ("192.0.2.7", command)
    assert one["verdict"].startswith(f"refused while the sender was on the line, at {command}: {reply}")
    assert traced([line(1, "courieresmtpd", said)], host="192.0.2.7")["refusals"]
    assert not traced([line(1, "courieresmtpd", said)], host="192.0.2.70")["refusals"]
    assert not traced([line(1, "courieresmtpd", said)], address=address[1:])["refusals"]
    assert not traced([line(1, "courieresmtpd", said)], address=address, host="192.0.2.70")["refusals"]


def test_a_refusal_of_several_lines_is_one():
    head = f"{RELAY},{FROM},to=<x@example.com>"
    told = [line(1, "courieresmtpd", f"{head}: 550-Go away."), line(1.1, "courieresmtpd", f"{head}: 550 Really.")]
    (one,) = traced(told, address="x@example.com")["refusals"]
    assert one["reply"] == "550 Go away. Really."


def test_parts_of_passwords_are_shown_to_nobody():
    typed = [
        f"AUTH PLAIN AGJvYkBleGFtcGxl {BOB}",
        f"AUTH LOGIN Y29ycmVjdA== {BOB}",
        f"Y29ycmVjdA== {BOB}",
        "AUTH PLAIN Y29ycmVjdA==",
    ]
    told = [
        line(at, "courieresmtpd", f'{RELAY},msg="535 Authentication failed.",cmd: {one}')
        for at, one in enumerate(typed)
    ]
    for asked in ({"address": BOB}, {"host": "192.0.2.7"}):
        found = traced(told, **asked)
        shown = json.dumps(found) + as_text(found)
        assert "535 Authentication failed." in shown
        assert "Y29y" not in shown
        assert "AGJv" not in shown
    # Whom a client wanted to be is not told to whoever asks for the client.
    assert BOB not in json.dumps(traced(told, host="192.0.2.7"))
    assert traced(told, address=BOB)["refusals"][0]["account"] == BOB


def test_what_a_stranger_writes_is_no_step():
    step = f"id=ID,{FROM},{TO},success: Message delivered."
    told = [
        *came(new=f"newmsg,id={{}}: dns; x): {step.replace('ID', number(1))} (y [::ffff:192.0.2.7])"),
        line(1.2, "courieresmtpd", f"{RELAY},from=<{step}>: 517 No"),
        line(1.3, "pythonfilter", step),
        line(1.4, "courier-forward", f"refused: \n{step}"),
        named(0.9, message_id=f"<1@x> {step}"),
    ]
    found = traced(told, id=number(1))
    assert verdicts(found) == {BOB: "in delivery since 2026-11-25 08:34:36"}
    assert "\x1b" not in as_text(traced([named(0.9, message_id="\x1b[2J"), *came()], id=number(1)))


def test_many_tries_are_read_once_each():
    told = [*OUT]
    for one in range(100):
        told += tried(100 * one + 2, LATER, "deferred")
    found = traced(told, address="carol@example.org")
    assert len(found["messages"][0]["recipients"][0]["attempts"]) == 100


BAD = {
    "nothing": ({}, "nothing is asked; write an id, an address or a host"),
    "too short": ({"address": "a"}, "address is 'a'; write 3 to 1000 characters without blanks"),
    "blanks": ({"id": "a b c"}, "id is 'a b c'; write"),
    "a control character": ({"host": "a\x1bb"}, "host is 'a\\x1bb'; write"),
    "too many": ({"address": BOB, "most": 1000}, "most is 1000; write a number from 1 to 200"),
    "no time": ({"address": BOB, "since": "yesterday"}, "since is 'yesterday'; write a time such as 2026-11-26 10:02"),
    "times in the wrong order": (
        {"address": BOB, "since": "1h", "until": "2h"},
        "until \\(2h\\) is before since \\(1h\\)",
    ),
}


@pytest.mark.parametrize(("asked", "said"), BAD.values(), ids=BAD)
def test_bad_questions(asked, said):
    with pytest.raises(QueryError, match=said.replace("\\x", "\\\\x")):
        query(asked, T)


MOMENTS = {
    "30m": T - 1800,
    "2h": T - 7200,
    "3d": T - 259200,
    str(T): T,
    f"{T}.5": T + 0.5,
    "2026-11-25": T - 30875,
    "2026-11-25 08:34": T - 35,
    "2026-11-25T08:34:36": T + 1,
    "08:34": T - 35,
    "08:34:36": T + 1,
}


@pytest.mark.parametrize(("said", "at"), MOMENTS.items(), ids=MOMENTS)
def test_times(said, at):
    assert moment("since", said, float(T)) == at
