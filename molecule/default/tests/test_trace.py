# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a message went: mailtrace and the module say what the programs did, and nothing that strangers only wrote."""

from __future__ import annotations

import base64
import json
import re
import shlex
import smtplib
import time
from email.message import EmailMessage
from email.utils import formatdate

import pytest

WRITER = "mailbox@example.net"
CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def trace(site):
    """What mailtrace finds, as data. Nothing where it finds nothing."""

    def trace(*asked):
        done = site.run("mailtrace --json --since 10m " + " ".join(map(shlex.quote, asked)))
        assert done.rc in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert bool(found["messages"] or found["refusals"]) == (done.rc == 0)
        return found

    return trace


@pytest.fixture
def settled(trace, eventually):
    """The messages, when there is a word about each recipient of so many, and that one about those of the first."""

    def settled(*asked, state=None, messages=1):
        def there():
            found = trace(*asked)["messages"]
            known = [[row["state"] for row in one["recipients"]] for one in found[:messages]]
            if len(known) < messages or not all(states and all(states) for states in known):
                return []
            return found if not state or set(known[0]) == {state} else []

        found = eventually(there)
        assert found, trace(*asked)
        return found

    return settled


@pytest.fixture
def send(site, stranger, letter):
    """Send a message from elsewhere."""

    def send(*recipients, sender=WRITER, port=25, login=None, message=letter):
        with site.smtp(stranger, port) as smtp:
            if login:
                smtp.login(*login)
            smtp.send_message(message, sender, list(recipients))

    return send


def verdict(messages, address):
    return next(one["verdict"] for one in messages[0]["recipients"] if one["address"] == address)


class TestDelivered:
    def test_by_everything_that_people_know_of_it(self, site, stranger, send, settled, token, letter):
        letter["From"], letter["To"] = f"List <{token}@lists.example.net>", f"{token}@example.org"
        send(f"alice@{site.domain}", sender=f"mailbox+{token}@example.net")
        for asked in (
            letter["Message-ID"],
            f"mailbox+{token}@example.net",
            f"{token}@lists.example.net",
            f"{token}@example.org",
        ):
            (one,) = settled(asked, state="delivered")
            assert one["message_id"] == letter["Message-ID"]
            assert re.fullmatch(
                rf"delivered to the mailbox of alice@{site.domain} at {CLOCK}, \d+\.\d s after it came",
                verdict([one], f"alice@{site.domain}"),
            )
            assert one["client"] == stranger.addresses["ipv4"]
            assert one["filters"]["clamd"].startswith("pass")
            assert settled(one["id"])[0]["id"] == one["id"]
        (one,) = settled("--host", stranger.addresses["ipv4"], "--address", f"{token}@example.org")
        assert one["message_id"] == letter["Message-ID"]

    @pytest.mark.parametrize(("port", "listener"), [(587, "port 587"), (465, "port 465")])
    def test_through_which_door(self, site, send, settled, letter, port, listener):
        alice = site.accounts["alice"]
        letter["From"] = alice.address
        send(f"bob@{site.domain}", sender=alice.address, port=port, login=alice)
        (one,) = settled(letter["Message-ID"])
        assert one["login"] == alice.address
        assert one["listener"] in (listener, "")  # another test may have a connection to another port
        assert one["tls"].endswith("1.3")

    def test_what_was_written_before_a_catch_all_and_who_has_it(self, site, send, settled, letter, token):
        send(f"{token}@shop.{site.domain}")
        settled(f"bob@{site.domain}", "--id", letter["Message-ID"])
        came, passed_on = settled(letter["Message-ID"])
        assert came["written"] == [f"{token}@shop.{site.domain}"]
        (row,) = came["recipients"]
        assert row["verdict"].startswith(f"handed on by the catch-all of shop.{site.domain} at ")
        assert [row["address"] for row in passed_on["recipients"]] == [f"bob@{site.domain}"]

    def test_the_way_over_two_hosts(self, site, satellite, settled, token, letter, eventually):
        """Without filters, and each host says how the next one calls it."""
        sender = f"{token}@{satellite.name}"
        satellite.sendmail(letter, sender, f"alice@{site.domain}")
        took = eventually(
            lambda: re.search(
                r"; it is ([0-9A-F]{16}\.[0-9A-F]{8}) there", satellite.run("mailtrace %s", sender).stdout
            )
        )
        assert took, satellite.run("mailtrace %s", sender).stdout
        (one,) = settled(sender, state="delivered")
        assert one["message_id"] == letter["Message-ID"]
        # Between the second satellite and the site is the smarthost.
        assert site.run("mailtrace %s", took[1]).rc == 0 or not satellite.name.startswith("sat1.")


class TestNotDelivered:
    def test_refused_by_a_filter(self, site, stranger, send, settled, token, letter):
        letter.add_attachment(b"MZ", maintype="application", subtype="octet-stream", filename="setup.exe")
        with pytest.raises(smtplib.SMTPDataError):
            send(f"alice@{site.domain}", sender=f"mailbox+{token}@example.net")
        for asked in (letter["Message-ID"], f"mailbox+{token}@example.net"):
            (one,) = settled(asked, state="refused")
            said = verdict([one], f"alice@{site.domain}")
            assert said.startswith("refused while the sender was on the line: 554 ")
            assert said.endswith("by filter attachments")
            assert one["client"] == stranger.addresses["ipv4"]

    def test_refused_before_there_was_a_message(self, site, stranger, trace, token, eventually):
        nobody = f"nobody-{token}@{site.domain}"
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail(WRITER)
            assert smtp.rcpt(nobody)[0] == 550
        found = eventually(lambda: trace(nobody)["refusals"])
        assert found[0]["command"] == "RCPT TO"
        assert found[0]["reply"].startswith("550 User")
        assert (found[0]["sender"], found[0]["client"]) == (WRITER, stranger.addresses["ipv4"])

    def test_deferred_then_delivered(self, site, send, settled, token, letter):
        frank = f"frank@{site.domain}"
        site.check_output("systemctl stop courier-forward.socket courier-forward")
        try:
            send(frank)
            (one,) = settled(letter["Message-ID"], state="waiting")
            said = verdict([one], frank)
            assert said.startswith("still waits: The forwarding service does not answer")
            after = re.search(rf"; 1 try, the last at {CLOCK}; next at ({CLOCK})$", said)
            assert after, said
            (row,) = one["recipients"]
            assert 0 < row["next"] - time.time() < 3600
            assert row["next"] == int(site.check_output("date --date=%s +%%s", after[1]))
        finally:
            site.check_output("systemctl start courier-forward.socket courier-forward && courier flush")
        one = settled(letter["Message-ID"], state="forwarded")[0]
        assert [attempt["outcome"] for attempt in one["recipients"][0]["attempts"]] == ["waiting", "delivered"]

    def test_the_next_try_of_another_host(self, site, settled, token, letter):
        recipient = f"{token}@rcpt-4xx.example.net"
        site.sendmail(letter, site.accounts["alice"].address, recipient)
        said = verdict(settled(recipient, state="waiting"), recipient)
        assert re.search(r" answered 451 Come again; 1 try, the last at .*; next at 20", said), said

    def test_bounced(self, site, settled, token, letter):
        alice = site.accounts["alice"].address
        recipient = f"{token}@rcpt-5xx.example.net"
        site.sendmail(letter, alice, recipient)
        found = settled(recipient, state="refused", messages=2)
        assert len(found) == 2, found
        first, report = found
        assert f"554 Go away; report {report['id']} went to the sender" in verdict(found, recipient)
        assert report["came_of"] == first["id"]
        assert report["sender"] == ""
        assert [(row["address"], row["state"]) for row in report["recipients"]] == [(alice, "delivered")]


class TestOnward:
    @pytest.mark.parametrize("name", ["left", "frank"], ids=["nothing kept", "kept as well"])
    def test_forwarded(self, site, send, settled, letter, name):
        send(f"{name}@{site.domain}")
        found = settled(letter["Message-ID"], state="forwarded")
        (first, copy) = found
        assert copy["came_of"] == first["id"]
        assert copy["sender"].lower().startswith("srs0-")
        (row,) = first["recipients"]
        assert row["became"] == [copy["id"]]
        assert row["verdict"].endswith(f"passed on by the forwarding service, where it became {copy['id']}")
        assert copy["recipients"][0]["address"].endswith("@example.net")

    def test_fetched(self, site, foreign, token, letter, settled):
        user = f"idle@{site.domain}"
        letter["From"], letter["To"] = "Ann <ann@shield-none.example.net>", "me@example.net"
        letter["Return-Path"] = "<ann@shield-none.example.net>"
        letter["Received"] = f"from client.example.net by mx.example.net id {token}; {formatdate()}"
        text = base64.b64encode(bytes(letter).replace(b"\n", b"\r\n")).decode()
        home = f"/srv/remote/{user}"
        foreign.check_output(
            "install -d -o nobody -g nogroup -m 0700 %s && cd %s && "
            "install -d -o nobody -g nogroup -m 0700 Maildir Maildir/tmp Maildir/new Maildir/cur && "
            "echo %s | base64 -d >Maildir/tmp/%s.test && chown nobody:nogroup Maildir/tmp/%s.test && "
            "mv Maildir/tmp/%s.test Maildir/new/",
            *(home, home, text, token, token, token),
        )
        (one,) = settled(letter["Message-ID"], state="delivered")
        assert one["how"] == f"fetched by fetchmail from {one['mailbox']}"
        assert foreign.name in one["mailbox"]


STEP = "completed,id=000000000020E307.000000006B069D9B.00000B81"


class TestWhatStrangersWrite:
    def test_is_no_step(self, site, stranger, send, trace, settled, token, letter):
        """In the name for themselves, the subject and the Message-ID."""
        alice = f"alice@{site.domain}"
        imitation = EmailMessage()
        imitation["Message-ID"] = f"<{token}@example.net>"
        imitation["Subject"] = f"\x1b[2J courierlocal[1]: id=X,from=<>,addr=<{alice}>,status: failure"
        imitation.set_content("Hello\n")
        sender = f'"a>,addr=<{alice}>,status: failure"@example.net'
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo(f"x): {STEP} (y")
            # Courier takes no such sender.
            assert smtp.mail(sender)[0] >= 500
            smtp.sendmail("someone@example.net", [alice], imitation.as_bytes())
        (one,) = settled(imitation["Message-ID"], state="delivered")
        assert one["client"] == stranger.addresses["ipv4"]
        assert [row["state"] for row in one["recipients"]] == ["delivered"]
        assert not trace("000000006B069D9B.00000B81")["messages"]
        assert "\x1b" not in site.run("mailtrace %s", imitation["Message-ID"]).stdout

    def test_who_may_not_write_the_log_is_not_believed(self, site, send, settled, letter, eventually):
        send(f"alice@{site.domain}")
        (one,) = settled(letter["Message-ID"], state="delivered")
        said = f"id=1.{one['id']},from=<{WRITER}>,addr=<eve@{site.domain}>,success: Message delivered."
        site.check_output("runuser -u nobody -- logger -t courierlocal -- %s", said)
        assert eventually(lambda: site.run("journalctl -t courierlocal | grep -F eve@%s", site.domain).rc == 0)
        (again,) = settled(letter["Message-ID"])
        assert again["recipients"] == one["recipients"]

    def test_parts_of_failed_passwords_are_shown_to_nobody(self, site, stranger, trace, eventually, token):
        account, password = f"alice@{site.domain}", f"{token[:8]}secret"
        began = time.time()
        with site.smtp(stranger, 587) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(account, password)
        found = eventually(lambda: [one for one in trace(account)["refusals"] if one["at"] >= began])
        assert found[-1]["reply"].startswith("535")
        assert found[-1]["account"] == account
        typed = base64.b64encode(f"\0{account}\0{password}".encode()).decode()
        for asked in (account, f"--host={stranger.addresses['ipv4']}"):
            for form in ("", "--json"):
                said = site.run(f"mailtrace {form} %s", asked).stdout
                assert "535" in said
                assert token[:8] not in said
                assert typed[:12] not in said


def test_nothing_is_known_and_since_when(site, token):
    done = site.run("mailtrace %s", f"nobody-{token}@example.net")
    assert done.rc == 1
    assert re.fullmatch(rf"Nothing is known of it\. The journal begins at {CLOCK}\.\n", done.stdout)


def test_a_bad_question_is_one_sentence(site):
    done = site.run("mailtrace alice@example.com --since yesterday")
    assert (done.rc, done.stdout) == (64, "")
    assert done.stderr.startswith("mailtrace: since is 'yesterday'; write a time such as ")
    assert done.stderr.count("\n") == 1


def test_the_module_says_the_same(site, send, settled, letter, task):
    send(f"alice@{site.domain}")
    (one,) = settled(letter["Message-ID"], state="delivered")
    result = task(site.name, "trace_info", id=letter["Message-ID"], since="10m")
    assert result.outcome == "ok"
    assert result.result["messages"] == [one]
