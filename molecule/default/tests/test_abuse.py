# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody says who means well: line ends that are none, commands too early, too long, too many and too slow."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import threading
import time

import pytest

WRITER = "mailbox@example.net"
# What another server may take for the end of a message, and whether the message comes in.
ENDS = {
    b"\n.\n": True,
    b"\n.\r\n": True,
    b"\r\n.\n": True,
    b"\n\n.\n\n": True,
    b"\r.\r": False,
    b"\r.\n": False,
    b"\r.\r\n": False,
    b"\r\n.\r": False,
    b"\n.\r": False,
    b"\r\r.\r\r": False,
    # What follows a NUL on its line is lost.
    b"\r\n\0.\r\n": True,
    b"\r\n.\0\r\n": True,
}
HARMLESS = [end for end, comes_in in ENDS.items() if comes_in and b"\0" not in end]
# Courier's own: bytes of the header, fields in it, and bytes of a line.
HEADER = 100000
FIELDS = 500
LINE = 5000
SIZE = 25000000
RECIPIENTS = 100


@pytest.fixture(scope="module", autouse=True)
def begun():
    """When the first of these tests began."""
    return str(int(time.time()))


def two_in_one(token, number, end, sender, recipient):
    """A message whose text goes on as if it had ended."""
    return (
        f"From: {sender}\r\nSubject: {token} {number}\r\n\r\nThe first".encode()
        + end
        + f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
        + f"From: {sender}\r\nSubject: {token} smuggled\r\n\r\nThe second\r\n.\r\n".encode()
    )


def data(smtp, sender, recipients, text):
    """Send a text with its end as it is. Returns the code of the answer; there must be no other."""
    assert smtp.docmd(f"MAIL FROM:<{sender}>")[0] == 250
    for recipient in recipients:
        assert smtp.docmd(f"RCPT TO:<{recipient}>")[0] == 250
    assert smtp.docmd("DATA")[0] == 354
    smtp.send(text)
    code = smtp.getreply()[0]
    assert smtp.docmd("NOOP")[0] == 250
    return code


@pytest.fixture
def door(site, stranger):
    """A connection, within TLS and logged in as Bob except on 25, and the sender to use."""

    @contextlib.contextmanager
    def door(port):
        with site.smtp(stranger, port) as smtp:
            smtp.ehlo()
            if port == 25:
                yield smtp, WRITER
            else:
                smtp.login(*site.accounts["bob"])
                yield smtp, site.accounts["bob"].address

    return door


class TestSmuggling:
    @pytest.mark.parametrize("port", [25, 587, 465])
    def test_comes_in_as_one_message_or_not_at_all(self, site, door, token, eventually, port):
        alice = site.accounts["alice"]
        with door(port) as (smtp, sender):
            for number, end in enumerate(ENDS):
                code = data(smtp, sender, [alice.address], two_in_one(token, number, end, sender, alice.address))
                assert code == (250 if ENDS[end] else 550), end
        wanted = [f"{token} {number}" for number, end in enumerate(ENDS) if ENDS[end]]
        assert eventually(lambda: len(site.inbox(alice, token)) >= len(wanted))
        assert eventually(lambda: not site.waiting(alice.address))
        assert sorted(message["Subject"] for message in site.inbox(alice, token)) == sorted(wanted)

    def test_goes_out_as_one_message_with_right_line_ends(self, site, door, sink, token):
        with door(587) as (smtp, sender):
            for number, end in enumerate(HARMLESS):
                text = two_in_one(token, number, end, sender, WRITER)
                assert data(smtp, sender, [sink.recipient], text) == 250
        heard = sink.texts(len(HARMLESS))
        assert sorted(re.search(rb"Subject: \w+ (\w+)", text)[1] for text in heard) == [b"0", b"1", b"2", b"3"]
        for text in heard:
            assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", text)
            # Nor did the sink, which goes by the standard, see an end before this one.
            assert text.endswith(b"\r\nThe second\r\n.\r\n")

    @pytest.mark.parametrize("who", ["forwarded", "a program"])
    def test_nor_is_it_passed_on(self, site, foreign, stranger, token, eventually, who):
        frank = site.accounts["frank"].address
        text = {end: two_in_one(token, number, end, WRITER, WRITER) for number, end in enumerate(ENDS)}
        if who == "forwarded":
            with site.smtp(stranger, 25) as smtp:
                smtp.ehlo()
                codes = [data(smtp, WRITER, [frank], text[end]) for end in (b"\n.\n", b"\r.\r", b"\r\n.\r")]
            assert codes == [250, 550, 550]
        else:
            done = [self.by_program(site, text[end]) for end in (b"\n.\n", b"\r.\r", b"\r\n.\r")]
            assert [code == 0 for code in done] == [True, False, False]
        assert eventually(lambda: foreign.received(token))
        assert eventually(lambda: not site.waiting(WRITER.partition("@")[0]))
        assert [message["Subject"] for message in foreign.received(token)] == [f"{token} 0"]

    @staticmethod
    def by_program(site, text):
        quoted = "".join(f"\\{byte:03o}" for byte in text.removesuffix(b"\r\n.\r\n"))
        return site.run(f"printf '{quoted}' | sendmail -i -f root@{site.name} {WRITER}").rc


class TestOutOfTurn:
    @pytest.mark.parametrize("port", [25, 587])
    def test_what_was_said_before_tls_is_forgotten(self, site, stranger, port):
        with site.call(stranger, port) as smtp:
            smtp.ehlo()
            smtp.send(f"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<{WRITER}>\r\n".encode())
            assert smtp.getreply()[0] == 220
            smtp.sock, smtp.file = site.trust.wrap_socket(smtp.sock), None
            code, said = smtp.docmd("RSET")
            assert (code, said.count(b"\n")) == (250, 0)
            assert smtp.docmd(f"RCPT TO:<alice@{site.domain}>")[0] >= 500

    def test_a_whole_session_before_the_greeting_brings_nothing(self, site, stranger, token, eventually):
        alice = site.accounts["alice"]
        said = (
            f"EHLO early\r\nMAIL FROM:<{WRITER}>\r\nRCPT TO:<{alice.address}>\r\nDATA\r\n"
            f"Subject: {token}\r\n\r\nHello\r\n.\r\nQUIT\r\n"
        )
        with stranger.connect(site.addresses["ipv4"], 25) as connection:
            connection.sendall(said.encode())
            connection.shutdown(socket.SHUT_WR)
            heard = b"".join(iter(lambda: connection.recv(4096), b""))
        assert heard.count(b"\r\n354 ") == 1
        assert self.next_letter(site, stranger, alice, token, eventually) == 1

    def test_nobody_listens_after_quit(self, site, stranger, token, eventually):
        alice = site.accounts["alice"]
        with site.call(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.send(f"QUIT\r\nMAIL FROM:<{WRITER}>\r\nRCPT TO:<{alice.address}>\r\nDATA\r\n".encode())
            assert smtp.getreply()[0] == 221
            with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
                smtp.getreply()
            smtp.close()
        assert self.next_letter(site, stranger, alice, token, eventually) == 1

    @staticmethod
    def next_letter(site, stranger, alice, token, eventually):
        """Send one in the right way, and say how many there are then."""
        with site.smtp(stranger, 25) as smtp:
            smtp.sendmail(WRITER, [alice.address], f"Subject: {token}\r\n\r\nHello\r\n")
        assert eventually(lambda: site.inbox(alice, token))
        return len(site.inbox(alice, token))

    @pytest.mark.parametrize("break_", ["\n", "\r", "\t", "\0"], ids=["LF", "CR", "TAB", "NUL"])
    def test_a_recipient_does_not_become_two(self, site, foreign, door, token, eventually, break_):
        """submit hears one line for each recipient, with fields between tabs."""
        alice, victim = site.accounts["alice"], f"mailbox+{token}@example.net"
        with door(25) as (smtp, sender):
            smtp.docmd(f"MAIL FROM:<{sender}>")
            smtp.send(f"RCPT TO:<{alice.address}{break_}{victim}>\r\n".encode())
            smtp.getreply()
            smtp.send(f"RCPT TO:<{alice.address}> NOTIFY=NEVER{break_}{victim}\r\n".encode())
            smtp.getreply()
            smtp.docmd("RSET")
            assert data(smtp, sender, [alice.address], f"Subject: {token}\r\n\r\nHello\r\n.\r\n".encode()) == 250
        assert eventually(lambda: site.inbox(alice, token))
        assert not site.waiting(victim)
        assert not foreign.received(token)


# What is said, and the code; None: one answer, whichever it is. Each is followed by a command that must be answered.
LINES = {
    "a line of 10 MB": (b"X" * 10_000_000, 502),
    "a HELO of 100 kB": (b"HELO " + b"x" * 100_000, None),
    "a sender of 4 kB": (b"MAIL FROM:<" + b"x" * 4000 + b"@example.net>", None),
    "a sender with NUL": (b"MAIL FROM:<some\0one@example.net>", 500),
    "a sender with LF": (b"MAIL FROM:<some\none@example.net>", None),
    "a sender that is no UTF-8": (b"MAIL FROM:<\xff\xfe@example.net>", None),
    "a sender in UTF-8 that is not announced": ("MAIL FROM:<jö@example.net>".encode(), None),
    "a size beyond the limit": (f"MAIL FROM:<{WRITER}> SIZE={SIZE + 1}".encode(), 500),
    "a size beyond all numbers": (f"MAIL FROM:<{WRITER}> SIZE={'9' * 400}".encode(), 500),
    "nothing but NUL": (b"\0\0\0\0", 500),
}


class TestTooMuch:
    @pytest.mark.parametrize("port", [25, 465])
    def test_is_answered_once_and_the_next_command_as_well(self, door, port):
        with door(port) as (smtp, _sender):
            for case, (line, code) in LINES.items():
                smtp.send(line + b"\r\n")
                assert smtp.getreply()[0] >= (code or 200), case
                assert smtp.docmd("RSET")[0] == 250, case

    @pytest.mark.parametrize("port", [587, 465])
    def test_a_login_of_a_megabyte_is_refused(self, site, stranger, port):
        with site.smtp(stranger, port) as smtp:
            smtp.ehlo()
            smtp.send(b"AUTH PLAIN " + b"A" * 1_000_000 + b"\r\n")
            assert smtp.getreply()[0] == 535
            smtp.login(*site.accounts["bob"])

    @pytest.mark.parametrize(
        "text",
        [
            b"Subject: " + b"x" * (2 * HEADER),
            b"Subject: s\r\n" + (b" " + b"x" * 900 + b"\r\n") * (HEADER // 900),
            b"X-Many: x\r\n" * (FIELDS + 1),
            b"Subject: s\r\n\r\n" + b"x" * (LINE + 1),
            b"Subject: s\r\n\r\n" + b"x" * 10_000_000,
            b"Subject: s\r\n\r\n" + (b"x" * 998 + b"\r\n") * (SIZE // 999 + 1),
        ],
        ids=["a line in the header", "a field", "fields", "a line", "a line of 10 MB", "more than the limit"],
    )
    def test_is_refused_as_a_whole(self, site, door, text):
        with door(25) as (smtp, sender):
            assert 500 <= data(smtp, sender, [f"alice@{site.domain}"], text + b"\r\n\r\nHello\r\n.\r\n") < 600

    def test_a_line_as_long_as_may_be_comes_in(self, site, door, token, eventually):
        alice = site.accounts["alice"]
        with door(25) as (smtp, sender):
            text = f"Subject: {token}\r\n\r\n".encode() + b"x" * LINE + b"\r\n.\r\n"
            assert data(smtp, sender, [alice.address], text) == 250
        assert eventually(lambda: site.inbox(alice, token))
        assert b"x" * LINE in site.inbox_bytes(alice, token)[0]

    def test_of_10000_recipients_some_are_taken(self, site, door):
        with door(25) as (smtp, sender):
            smtp.docmd(f"MAIL FROM:<{sender}>")
            line = f"RCPT TO:<alice@{site.domain}>\r\n".encode()
            codes = []
            for _hundred in range(100):
                smtp.send(line * 100)
                codes += [smtp.getreply()[0] for _number in range(100)]
            assert codes.count(250) == RECIPIENTS
            assert set(codes[RECIPIENTS:]) <= set(range(400, 600))

    @pytest.mark.parametrize(("command", "times"), [("NOOP", 10000), ("RSET", 100)])
    def test_commands_that_do_nothing_are_all_answered(self, door, command, times):
        with door(25) as (smtp, _sender):
            for _hundred in range(times // 100):
                smtp.send(f"{command}\r\n".encode() * 100)
                assert {smtp.getreply()[0] for _number in range(100)} == {250}


def test_who_is_slow_keeps_nobody_else_waiting(site, stranger, foreign, token, eventually):
    """As many as one address may have, each in the midst of a command or of a message."""
    alice = site.accounts["alice"]
    with contextlib.ExitStack() as slow:
        for number in range(20):
            smtp = slow.enter_context(contextlib.closing(site.call(stranger, 25)))
            smtp.ehlo()
            if number % 2:
                smtp.docmd(f"MAIL FROM:<{WRITER}>")
                smtp.docmd(f"RCPT TO:<{alice.address}>")
                smtp.docmd("DATA")
            smtp.send(b"S")
        with pytest.raises((smtplib.SMTPException, OSError)):
            site.call(stranger, 25).ehlo()
        with site.smtp(foreign, 25) as smtp:
            smtp.sendmail(WRITER, [alice.address], f"Subject: {token}\r\n\r\nHello\r\n")
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*site.accounts["bob"])
        assert eventually(lambda: site.inbox(alice, token))
    assert eventually(lambda: is_served(site, stranger))


def is_served(site, caller):
    try:
        with site.call(caller, 25) as smtp:
            return smtp.ehlo()[0] == 250
    except (smtplib.SMTPException, OSError):
        return False


def test_nothing_crashed(site, begun):
    said = site.check_output("journalctl --no-pager --output=cat --since=@%s --unit='courier*'", begun)
    assert not re.search(r"segfault|core.dump|status=\d+/(SEGV|ABRT)|non-zero exit|Traceback", said)


class Sink:
    """A server that takes everything, and keeps it as it came."""

    recipient = "anybody@stranger.example.net"

    def __init__(self, listener):
        self._listener, self._heard, self._came = listener, [], threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def texts(self, number, within=30):
        """What came behind DATA, with the end, as soon as it is that many messages."""
        with self._came:
            self._came.wait_for(lambda: len(self._heard) >= number, within)
            return list(self._heard)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            connection.sendall(b"220 sink\r\n")
            while line := stream.readline():
                connection.sendall(b"354 Go\r\n" if line.upper().startswith(b"DATA") else b"250 Ok\r\n")
                if line.upper().startswith(b"DATA"):
                    text = b""
                    while not text.endswith(b"\r\n.\r\n") and (more := stream.read(1)):
                        text += more
                    with self._came:
                        self._heard.append(text)
                        self._came.notify_all()
                    connection.sendall(b"250 Kept\r\n")


@pytest.fixture
def sink(stranger):
    """At the stranger, who is no mail server otherwise."""
    address = stranger.addresses["ipv4"]
    with stranger.inside(lambda: socket.create_server((address, 25))) as listener:
        yield Sink(listener)
        listener.shutdown(socket.SHUT_RDWR)
