# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from mailboxes at a Dovecot elsewhere: each message once, filtered, whatever breaks on the way."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import functools
import io
import json
import socket
import ssl
import tarfile
import tempfile
import threading
import time
from collections import Counter
from email.message import EmailMessage

import pytest

from plugins.module_utils._courier.fetchmailrc import Mailbox, render
from plugins.module_utils._courier.terms import Terms

PROGRAM = "/usr/local/lib/courier-fetch/courier_fetch.py"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
STANDING = ["idle", "starttls", "pop", "poptls"]  # of the inventory


class Elsewhere:
    """The host with the mailboxes. Everybody with the password has one, so each test has its own."""

    def __init__(self, host):
        self.host = host

    def put(self, user, *letters):
        """Leave messages in an inbox. They are files of a Maildir."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for number, letter in enumerate(letters):
                entry = tarfile.TarInfo(f"Maildir/tmp/{time.time():.6f}.{number}.test")
                text = bytes(letter).replace(b"\n", b"\r\n")
                entry.size, entry.mode, entry.mtime = len(text), 0o600, int(time.time())
                entry.uid, entry.gid = 65534, 65534
                archive.addfile(entry, io.BytesIO(text))
        home = f"/srv/remote/{user}"
        self.host.check_output(
            "install -d -o nobody -g nogroup -m 0700 %s && cd %s && "
            "install -d -o nobody -g nogroup -m 0700 Maildir Maildir/tmp Maildir/new Maildir/cur",
            *[home] * 2,
        )
        self.host.container.put_archive(home, stream.getvalue())
        self.host.check_output(
            "cd %s && chown -R nobody:nogroup Maildir/tmp && mv Maildir/tmp/*.test Maildir/new/", home
        )

    def left(self, user):
        """How many are there."""
        return int(self.host.check_output("cd /srv/remote && find ./%s/Maildir -type f -name '*.test*' | wc -l", user))


@pytest.fixture
def elsewhere(foreign):
    return Elsewhere(foreign)


class Fetched:
    """A mailbox of a test, with a unit as the role would have it."""

    def __init__(self, site, box):
        self.site, self.box, self.unit = site, box, f"fetchmail@{box.unit}"

    def write(self):
        place = f"/etc/fetchmail/{self.box.unit}"
        text = render(self.box, f"/usr/bin/python3 -IS {PROGRAM} deliver {self.box.unit}", 26214400, f"{place}.pem")
        about = {"label": self.box.label, "to": self.box.to, "interval": self.box.interval, "idle": self.box.idle}
        for path, said in ((f"{place}.rc", text), (f"{place}.json", json.dumps(about)), (f"{place}.pem", self.box.ca)):
            if said:
                mode = "0644" if path.endswith("pem") else "0600"
                self.site.check_output(
                    "install -o fetchmail -g nogroup -m %s /dev/null %s && echo %s | base64 -d > %s",
                    *(mode, path, base64.b64encode(said.encode()).decode(), path),
                )
        return self

    def start(self):
        self.site.check_output("systemctl start %s", self.unit)
        return self

    def look(self):
        self.site.check_output("systemctl kill --kill-whom=main -s USR1 %s", self.unit)

    def said(self):
        return self.site.run("journalctl --no-pager -o cat -u %s", self.unit).stdout

    def state(self):
        return self.site.run("systemctl is-active %s", self.unit).stdout.strip()


@pytest.fixture
def mailbox(foreign, token):
    """Have a mailbox for this test: `mailbox(site, protocol="pop3s")`."""
    made = []

    def make(site, **given):
        name = f"t-{token[:12]}-{len(made)}"
        said = {
            "host": foreign.name,
            "protocol": "imaps",
            "user": f"{name}@{site.domain}",
            "password": site.facts["bed_remote_password"],
            "to": site.accounts["bob"].address,
            "name": name,
        }
        made.append(Fetched(site, Mailbox(**said | given)))
        return made[-1].write()

    yield make
    for one in made:
        one.site.run("systemctl stop %s; systemctl reset-failed %s", one.unit, one.unit)
        one.site.run(f"rm -rf /etc/fetchmail/{one.box.unit}.* /var/lib/fetchmail/{one.box.unit}")


@pytest.fixture
def fetched(mailbox, site):
    return functools.partial(mailbox, site)


def about(token, text="Dear friend,\n\nall is well.\n", sender="ann@shield-none.example.net"):
    letter = EmailMessage()
    letter["Return-Path"] = f"<{sender}>"
    letter["Received"] = f"from client.example.net by mx.example.net id {token}; {email.utils.formatdate()}"
    letter["From"], letter["To"], letter["Subject"] = f"Ann <{sender}>", "me@example.net", f"About {token}"
    letter["Date"], letter["Message-ID"] = email.utils.formatdate(), f"<{token}@example.net>"
    letter.set_content(text)
    return letter


def here(site, token, who="bob", folder="INBOX"):
    """The messages with a token in a folder."""
    with site.imap(site) as imap:
        imap.login(*site.accounts[who])
        imap.select(folder, readonly=True)
        _rest, (numbers,) = imap.search(None, "SUBJECT", token)
        return len(numbers.split())


@pytest.mark.parametrize("name", STANDING)
def test_each_protocol_and_each_message_once(site, elsewhere, token, eventually, name):
    user = f"{name}@{site.domain}"
    before = elsewhere.left(user) if name in ("starttls", "pop") else 0
    running = "pgrep -f '[f]etchmail .*/etc/fetchmail/idle[.]rc'"
    waiting = site.run(running).stdout
    elsewhere.put(user, about(token))
    if name != "idle":
        site.check_output("systemctl kill --kill-whom=main -s USR1 fetchmail@%s", name)
    assert eventually(lambda: here(site, token))
    if name == "idle":  # nobody had to look a second time
        assert site.run(running).stdout == waiting != ""
    # It is deleted, or stays there and is not fetched again.
    if before or name in ("starttls", "pop"):
        assert elsewhere.left(user) == before + 1
        site.check_output("systemctl restart fetchmail@%s", name)
        second = f"{token}-second"
        elsewhere.put(user, about(second))
        site.run("systemctl kill --kill-whom=main -s USR1 fetchmail@%s", name)
        assert eventually(lambda: here(site, second))
        assert here(site, token) == 2  # with the second
    else:
        assert eventually(lambda: elsewhere.left(user) == 0)
        assert here(site, token) == 1


def test_it_is_filtered_as_a_strangers(site, elsewhere, fetched, token, eventually):
    spam, virus, wanted = f"spam{token}", f"virus{token}", f"wanted{token}"
    one = fetched()
    elsewhere.put(one.box.user, about(spam, GTUBE), about(virus, EICAR), about(wanted))
    one.start()
    assert eventually(lambda: here(site, spam, folder="INBOX.Junk") and here(site, virus) and here(site, wanted))
    assert eventually(lambda: elsewhere.left(one.box.user) == 0)
    (junk,) = [found for found in [here(site, spam, folder="INBOX.Junk")] if found]
    assert (junk, here(site, spam), here(site, virus), here(site, wanted)) == (1, 0, 1, 1)
    (letter,) = site.inbox(site.accounts["bob"], wanted)
    assert "relay" not in str(letter.get("X-Courier-Mail-Unchecked", ""))
    assert "dkim=none" in letter["Authentication-Results"]
    (letter,) = site.inbox(site.accounts["bob"], virus)
    assert "EICAR-STANDARD" not in letter.get_content()
    assert letter["X-Courier-Mail-Refused"].startswith("clamd: ")


def test_nobody_loses_mail_by_the_senders_dns_or_policy(site, elsewhere, fetched, token, eventually):
    """A domain that does not exist, one whose name server is dead, one that we refuse, one that wants to be proven."""
    senders = [
        "a@nowhere.invalid",
        "a@dead.test",
        "a@spam.example.net",
        "a@p-reject.example.net",
        "a@spf-fail.example.net",
    ]
    one = fetched()
    elsewhere.put(one.box.user, *(about(f"{number}n{token}", sender=sender) for number, sender in enumerate(senders)))
    one.start()
    for number in range(len(senders)):
        assert eventually(lambda number=number: here(site, f"{number}n{token}")), (senders[number], one.said())
    assert eventually(lambda: elsewhere.left(one.box.user) == 0)
    assert [here(site, f"{number}n{token}") for number in range(len(senders))] == [1] * len(senders)


WRONG = {
    "an authority that did not sign it": ({"ca": "own", "terms": Terms("a test")}, "certificate"),
    "another name": ({"tls_name": "other.example.net", "terms": Terms("a test")}, "certificate"),
    "a server that is dead": ({"port": 4}, "cannot be reached"),
    "a name that is none": ({"host": "nowhere.example.net"}, "next in"),
}


def test_nothing_is_said_to_the_wrong_server_and_it_is_tried_again(site, elsewhere, fetched, token, eventually):
    own = {"ca": site.check_output("cat /etc/ssl/mail/mail.crt") + "\n"}
    cases = {case: fetched(**given | (own if "ca" in given else {})) for case, (given, _shown) in WRONG.items()}
    for one in cases.values():
        elsewhere.put(one.box.user, about(token))
        one.start()
    for case, one in cases.items():
        assert eventually(lambda one=one: "next in 600 s" in one.said()), (case, one.said())
        assert WRONG[case][1] in one.said(), (case, one.said())
        assert one.state() == "active"
        assert elsewhere.left(one.box.user) == 1
        one.look()
    for case, one in cases.items():
        assert eventually(lambda one=one: "next in 1200 s" in one.said()), (case, one.said())
    assert here(site, token) == 0


def test_a_wrong_password_stops_and_is_reported(site, elsewhere, fetched, token, eventually):
    one = fetched(password="wrong")
    elsewhere.put(one.box.user, about(token))
    one.start()
    assert eventually(lambda: one.state() == "failed"), one.said()
    alice = site.accounts["alice"]
    assert eventually(lambda: site.inbox(alice, one.box.user, "TEXT"))
    (letter,) = site.inbox(alice, one.box.user, "TEXT")
    assert "is not fetched any more" in letter["Subject"]
    assert "refuses name and password" in letter.get_content()
    assert elsewhere.left(one.box.user) == 1
    # Put right, it goes on.
    Fetched(site, one.box._replace(password=site.facts["bed_remote_password"])).write().start()
    assert eventually(lambda: here(site, token) == 1)


def test_it_stays_there_while_courier_is_down(site, elsewhere, fetched, token, eventually):
    one = fetched()
    elsewhere.put(one.box.user, about(token))
    site.check_output("systemctl stop courier-mta")
    try:
        one.start()
        assert eventually(lambda: "Courier takes no mail" in one.said()), one.said()
        assert elsewhere.left(one.box.user) == 1
        assert one.state() == "active"
    finally:
        # systemd stops those with it.
        site.check_output("systemctl start courier courierfilter courier-mta courier-msa courier-mta-ssl")
    assert eventually(lambda: site.is_open(25))
    one.look()
    assert eventually(lambda: here(site, token))
    assert eventually(lambda: elsewhere.left(one.box.user) == 0)
    assert here(site, token) == 1


def test_for_somebody_who_is_gone_it_stays_there(site, elsewhere, fetched, token, eventually):
    one = fetched(to=f"gone-{token}@{site.domain}")
    elsewhere.put(one.box.user, about(token))
    one.start()
    assert eventually(lambda: "is not taken" in one.said()), one.said()
    assert elsewhere.left(one.box.user) == 1


class BreaksOff:
    """A POP3 server that hangs up in the middle of a message, the first time."""

    def __init__(self, host, text):
        self.text = bytes(text).replace(b"\n", b"\r\n")
        self.visits, self.farewells, self.deleted = 0, 0, threading.Event()
        self._listener = host.inside(lambda: socket.create_server(("", 0)))
        self.port = self._listener.getsockname()[1]
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as chain, tempfile.NamedTemporaryFile("w") as key:
            chain.write(host.check_output("cat /etc/ssl/bed.pem"))
            key.write(host.check_output("cat /etc/ssl/private/bed.key"))
            chain.flush(), key.flush()
            self._tls.load_cert_chain(chain.name, key.name)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                self.visits += 1
                with contextlib.suppress(OSError), self._tls.wrap_socket(connection, server_side=True) as client:
                    self._talk(client)

    def _talk(self, client):
        client.sendall(b"+OK\r\n")
        half = len(self.text) // 2
        with client.makefile("rb") as stream:
            for line in stream:
                verb = line.split()[0].upper()
                if verb in (b"RETR", b"TOP"):  # what stays is fetched by TOP
                    client.sendall(b"+OK\r\n" + self.text[:half])
                    if self.visits == 1:
                        return
                    client.sendall(self.text[half:] + b".\r\n")
                elif verb == b"DELE":
                    self.deleted.set()
                    client.sendall(b"+OK\r\n")
                elif verb == b"QUIT":
                    client.sendall(b"+OK\r\n")
                    self.farewells += 1
                    return
                else:
                    client.sendall(self._answer(verb, one=len(line.split()) > 1))

    def _answer(self, verb, one):
        size = b"1 %d\r\n" % len(self.text)
        if verb == b"LIST":
            return b"+OK " + size if one else b"+OK\r\n" + size + b".\r\n"
        if verb == b"UIDL":
            return b"+OK 1 the-only-one\r\n" if one else b"+OK\r\n1 the-only-one\r\n.\r\n"
        answers = {b"CAPA": b"+OK\r\nUSER\r\nUIDL\r\n.\r\n", b"STAT": b"+OK " + size}
        return answers.get(verb, b"+OK\r\n" if verb in (b"USER", b"PASS", b"NOOP", b"RSET") else b"-ERR\r\n")


@pytest.mark.parametrize("keep", [False, True], ids=["deleted", "kept"])
def test_half_a_message_is_not_delivered_and_the_whole_comes_once(site, foreign, fetched, token, eventually, keep):
    server = BreaksOff(foreign, about(token, "All is well.\n" * 2000))
    try:
        one = fetched(protocol="pop3s", port=server.port, keep=keep).start()
        assert eventually(lambda: "next in 600 s" in one.said()), one.said()
        assert here(site, token) == 0
        assert not server.deleted.is_set()
        one.look()
        assert eventually(lambda: here(site, token)), one.said()
        if keep:
            # Nor is it fetched again by the next look, which knows what the one before had.
            assert eventually(lambda: server.farewells == 1)
            one.look()
            assert eventually(lambda: server.farewells == 2), one.said()
            assert eventually(lambda: not site.waiting(token))
            assert not server.deleted.is_set()
        else:
            assert eventually(server.deleted.is_set)
        (letter,) = site.inbox(site.accounts["bob"], token)
        assert letter.get_content().count("All is well.") == 2000
    finally:
        server.close()


def test_hundreds_and_a_restart_in_the_middle(sites, elsewhere, mailbox, token, eventually):
    """Each once, on all hosts at a time."""
    boxes = [mailbox(site, to=site.accounts["erin"].address) for site in sites]
    letters = [about(f"{token}-{number:03}") for number in range(500)]
    for one in boxes:
        elsewhere.put(one.box.user, *letters)
        one.start()
    for some in (50, 200):
        for one in boxes:
            assert eventually(lambda one=one, some=some: here(one.site, token, "erin") >= some, 120), one.said()
            one.site.check_output("systemctl restart %s", one.unit)
    for one in boxes:
        assert eventually(lambda one=one: here(one.site, token, "erin") >= 500, 240), one.said()
    for one in boxes:
        assert eventually(lambda one=one: elsewhere.left(one.box.user) == 0)
        found = subjects_taken(one.site, token)
        assert (len(found), set(found.values())) == (500, {1})


def subjects_taken(site, token):
    """The subjects of Erin's messages with a token, which are removed."""
    with site.imap(site) as imap:
        imap.login(*site.accounts["erin"])
        imap.select()
        _rest, (numbers,) = imap.search(None, "SUBJECT", token)
        numbers = numbers.replace(b" ", b",").decode()
        _rest, parts = imap.fetch(numbers, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        imap.store(numbers, "+FLAGS", r"\Deleted")
        imap.expunge()
    return Counter(part[1].split()[-1] for part in parts if isinstance(part, tuple))


@pytest.fixture
def full(site):
    """Heidi's mailbox has a limit, which is reached until the test calls this."""

    def empty():
        site.empty("heidi")

    empty()
    with site.imap(site) as imap:
        imap.login(*site.accounts["heidi"])
        code, said = imap.append("INBOX", None, None, b"Subject: plans\r\n\r\n" + b"They are large.\r\n" * 64_000)
        assert code == "OK", said
    yield empty
    empty()


def test_what_there_is_no_room_for_stays_there_and_comes_once(
    site, foreign, elsewhere, fetched, full, token, eventually
):
    """Her mail goes on as well: neither twice, nor before it is here."""
    one = fetched(to=site.accounts["heidi"].address)
    elsewhere.put(one.box.user, about(token, "All is well.\n" * 6000, f"ann+{token}@shield-none.example.net"))
    one.start()
    assert eventually(lambda: "The mailbox is full" in one.said()), one.said()
    assert elsewhere.left(one.box.user) == 1
    assert one.state() == "active"
    assert not site.waiting(token)
    full()
    one.look()
    assert eventually(lambda: elsewhere.left(one.box.user) == 0), one.said()
    assert eventually(lambda: here(site, token, "heidi") and foreign.received(token))
    assert eventually(lambda: not site.waiting(token))
    assert (here(site, token, "heidi"), len(foreign.received(token))) == (1, 1)


def test_what_only_fetchmail_may_read(site):
    assert site.check_output("find /etc/fetchmail -name '*.rc' -not -perm 0600") == ""
    assert "bed" not in site.run("ps axww | grep [f]etchmail").stdout
    assert site.check_output("systemctl is-enabled fetchmail || true") == "masked"


def test_bans_and_lists_leave_its_address_alone(site):
    listed = site.run("courier-mail traps; cat /etc/courier/smtpaccess/filtered").stdout
    assert "127.25." not in listed
