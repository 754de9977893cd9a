# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters let in, what they refuse, and from whom."""

from __future__ import annotations

import base64
import io
import json
import re
import smtplib
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

import pytest

from plugins.module_utils._filter_probe import TEXTS

WRITER = "mailbox@example.net"
EICAR = TEXTS["virus"].strip()
GTUBE = TEXTS["spam"].strip()
SENDERS = ["a stranger", "a partner", "alice", "this host"]


@pytest.fixture
def deliver(site, stranger, partner, letter):
    """Send a message to Alice as one of SENDERS does. Returns the code of the answer to its end."""

    def deliver(sender: str, message: EmailMessage | bytes = letter, family: str = "ipv4") -> int:
        alice = site.accounts["alice"]
        text = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
        if sender == "this host":
            command = f"sendmail -i -f root@{site.name} {alice.address}"
            done = site.container.exec_run(
                ["sh", "-c", f"base64 -d <<X | {command}\n{_base64(text)}X\n"], environment={"LANG": "C"}
            )
            return 250 if done.exit_code == 0 else 550
        port = 587 if sender == "alice" else 25
        caller = partner if sender == "a partner" else stranger
        with site.smtp(caller, port, family) as smtp:
            if sender == "alice":
                smtp.login(*alice)
            try:
                smtp.sendmail(alice.address if sender == "alice" else WRITER, [alice.address], text)
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
            return 250

    return deliver


def _base64(text):
    return base64.encodebytes(text).decode()


def attached(letter, content, maintype="application", subtype="octet-stream", filename=None):
    letter.add_attachment(content, maintype=maintype, subtype=subtype, filename=filename)
    return letter


def zipped(name, content=b"Nothing.\n", times=1):
    for _layer in range(times):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
            written.writestr(name, content)
        name, content = "inner.zip", archive.getvalue()
    return content


SHAPES = {
    "raw": lambda letter: letter.set_content(f"{EICAR}\n"),
    "in MIME": lambda letter: attached(letter, EICAR.encode(), filename="test.txt"),
    "in zip": lambda letter: attached(letter, zipped("test.txt", EICAR.encode()), subtype="zip", filename="a.zip"),
    "called an image": lambda letter: attached(letter, EICAR.encode(), "image", "png", "photo.png"),
    "without a name": lambda letter: attached(letter, EICAR.encode()),
}

REFUSED = {
    "a program": ("setup.exe", b"MZ"),
    "in capitals": ("SETUP.EXE", b"MZ"),
    "with two extensions": ("invoice.pdf.js", b"x"),
    "with a dot at its end": ("setup.exe.", b"MZ"),
    "with a name in Greek": ("\u03c4\u03b9\u03bc\u03bf\u03bb\u03cc\u03b3\u03b9\u03bf.exe", b"MZ"),
    "in an archive": ("a.zip", zipped("setup.exe")),
    "in an archive in an archive": ("a.zip", zipped("setup.exe", times=2)),
    "in an archive that says it is none": ("a.dat", zipped("setup.exe")),
}

KINDS = {
    "ham": (250, lambda letter: None),
    "spam": (554, lambda letter: letter.set_content(f"{GTUBE}\n")),
    "virus": (554, lambda letter: letter.set_content(f"{EICAR}\n")),
    "program": (554, lambda letter: attached(letter, b"MZ", filename="setup.exe")),
    "archive": (250, lambda letter: attached(letter, zipped("notes.txt"), filename="notes.zip")),
}

BROKEN = {
    "a filter that cannot be imported": (
        "/usr/local/lib/courier-mail/courier_mail/attachments.py",
        "sed -i '$a import nothing_of_that_name'",
    ),
    "a setting that is unknown": ("/etc/pythonfilter-modules.conf", "sed -i '$a [clamd.py]\\nsockt = 1'"),
}


class TestSpam:
    @pytest.mark.parametrize(
        ("sender", "code"), [("a stranger", 554), ("a partner", 250), ("alice", 250), ("this host", 250)]
    )
    def test_is_refused_from_those_who_are_not_believed(self, site, deliver, letter, token, eventually, sender, code):
        letter.set_content(f"{GTUBE}\n")
        assert deliver(sender, letter) == code
        if code == 250:
            assert eventually(lambda: site.inbox(site.accounts["alice"], token))

    def test_a_partner_is_believed_over_ipv6(self, deliver, letter):
        letter.set_content(f"{GTUBE}\n")
        assert deliver("a partner", letter, "ipv6") == 250

    def test_the_refusal_says_what_to_do(self, site, stranger, letter):
        letter.set_content(f"{GTUBE}\n")
        with site.smtp(stranger, 25) as smtp, pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.send_message(letter, WRITER, [f"alice@{site.domain}"])
        assert b"postmaster" in refused.value.smtp_error

    def test_ham_is_scored_once_and_forged_scores_go(self, site, deliver, letter, token, eventually):
        letter["X-Spam-Status"] = "No, score=-100.0"
        letter["X-Spam-Flag"] = "NO"
        letter["X-Spam-Anything"] = "mine"
        assert deliver("a stranger", letter) == 250
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))
        (message,) = site.inbox(site.accounts["alice"], token)
        (status,) = message.get_all("X-Spam-Status")
        assert status.startswith("No, score=")
        assert "-100" not in status
        assert "X-Spam-Flag" not in message
        assert "X-Spam-Anything" not in message

    @pytest.mark.parametrize("sender", ["a partner", "alice"])
    def test_forged_scores_go_where_nobody_scores(self, site, deliver, letter, token, eventually, sender):
        letter["X-Spam-Flag"] = "YES"
        letter["X-Spam-Status"] = "No, score=-100.0"
        assert deliver(sender, letter) == 250
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))
        (message,) = site.inbox(site.accounts["alice"], token)
        assert not [name for name in message if name.startswith("X-Spam-")]

    def test_what_may_be_spam_goes_to_the_junk_of_those_who_wish_so(self, site, stranger, letter, token, eventually):
        letter.replace_header("Subject", f"Final invoice for your domain {token}")
        with site.smtp(stranger, 25) as smtp:
            smtp.send_message(letter, WRITER, [site.accounts["alice"].address, site.accounts["dave"].address])
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))

        def junk():
            with site.imap(site) as imap:
                imap.login(*site.accounts["dave"])
                imap.select("INBOX.Junk", readonly=True)
                return imap.search(None, "SUBJECT", token)[1][0].split()

        assert len(eventually(junk)) == 1
        assert not site.inbox(site.accounts["dave"], token)


class TestMalware:
    @pytest.mark.parametrize("sender", SENDERS)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_refused_from_everyone(self, deliver, letter, sender, shape):
        SHAPES[shape](letter)
        assert 550 <= deliver(sender, letter) <= 554


class TestAttachments:
    @pytest.mark.parametrize("sender", ["a stranger", "a partner", "alice"])
    def test_a_program_is_refused_from_everyone(self, deliver, letter, sender):
        assert deliver(sender, attached(letter, b"MZ", filename="setup.exe")) == 554

    @pytest.mark.parametrize(("name", "content"), REFUSED.values(), ids=REFUSED)
    def test_refuses(self, deliver, letter, name, content):
        assert deliver("a stranger", attached(letter, content, filename=name)) == 554

    def test_other_attachments_pass_byte_for_byte(self, site, deliver, letter, token, eventually):
        letter["From"], letter["To"] = WRITER, site.accounts["alice"].address
        attached(letter, b"%PDF-1.7\n" + bytes(range(256)) * 40, "application", "pdf", "invoice.pdf")
        attached(letter, zipped("notes.txt"), "application", "zip", "notes.zip")
        sent = letter.as_bytes(policy=SMTP)
        assert deliver("a stranger", letter) == 250
        assert eventually(lambda: site.inbox_bytes(site.accounts["alice"], token))
        (came,) = site.inbox_bytes(site.accounts["alice"], token)
        # What is signed by the sender: fields and body as they were.
        assert came.endswith(sent)


class TestBigMail:
    SIZE = 24 * 10**6

    def message(self, token, end):
        line = b"%070d\r\n"
        body = b"".join(line % number for number in range(self.SIZE // 72))
        fields = {
            "Subject": token,
            "From": f"{token} <{WRITER}>",
            "Date": formatdate(),
            "Message-ID": f"<{token}@example.net>",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return head.encode() + b"\r\n" + body + end

    def test_passes_in_bounded_time(self, site, deliver, token, eventually):
        began = time.monotonic()
        assert deliver("a stranger", self.message(token, b"")) == 250
        assert time.monotonic() - began < 120
        assert eventually(lambda: site.inbox(site.accounts["alice"], token), within=60)
        site.run_unit("courier-mail-bigmail.service")

        def reports():
            found = [one.get_content() for one in site.inbox(site.accounts["alice"], "Large messages")]
            return [text.splitlines() for text in found if token in text]

        (report,) = eventually(reports)
        (account,) = [line for line in report if line.startswith(f"{site.accounts['alice'].address}: ")]
        assert re.search(r": \d+ messages, [\d.]+ MiB$", account)
        (large,) = [line for line in report if token in line]
        assert large.endswith(f" 22.6 MiB INBOX from {token} <{WRITER}>")

    def test_is_scanned_to_its_end(self, deliver, token):
        assert deliver("a stranger", self.message(token, f"{EICAR}\r\n".encode())) == 554


def test_every_message_has_a_line_in_the_log(site, deliver, letter, token, eventually):
    alice = site.accounts["alice"].address

    def logged():
        lines = site.run("journalctl --no-pager -o cat -u courier-pythonfilter --since=-1min").stdout.splitlines()
        entries = [json.loads(line.partition(" ")[2]) for line in lines if line.startswith("courier_mail: {")]
        return [entry for entry in entries if entry["from"] == WRITER and alice in entry["to"]]

    known = [entry["id"] for entry in logged()]
    assert deliver("a stranger", letter) == 250
    (entry,) = eventually(lambda: [one for one in logged() if one["id"] not in known])
    assert entry["verdict"] == "pass"
    assert entry["client"] == "198.51.100.66"
    assert {"clamd", "attachments", "spamd"} <= set(entry["filters"])
    assert token not in json.dumps(entry)


class TestManyAtOnce:
    MESSAGES = 500
    SESSIONS = 16

    def send(self, site, stranger, token, number, kind):
        """Send one until it is taken or refused for good, as mail servers do."""
        letter = EmailMessage()
        letter["Subject"] = f"{token} {number}"
        letter["From"], letter["To"] = WRITER, site.accounts["alice"].address
        letter["Date"], letter["Message-ID"] = "Wed, 25 Nov 2026 12:00:00 +0000", f"<{token}.{number}@example.net>"
        letter.set_content("Dear friend,\n\nall is well.\n")
        KINDS[kind][1](letter)
        for _attempt in range(20):
            try:
                with site.smtp(stranger, 25, tls=False) as smtp:
                    smtp.send_message(letter, WRITER, [site.accounts["alice"].address])
                return 250
            except smtplib.SMTPDataError as refused:
                if refused.smtp_code >= 500:
                    return refused.smtp_code
            except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, smtplib.SMTPSenderRefused):
                pass
            time.sleep(0.5)  # between attempts, as mail servers do
        return 0

    def test_each_gets_its_verdict_and_a_filter_that_dies_loses_none(self, site, stranger, token, eventually):
        kinds = list(KINDS)
        jobs = [(number, kinds[number % len(kinds)]) for number in range(self.MESSAGES)]
        with ThreadPoolExecutor(self.SESSIONS) as pool:
            sent = [pool.submit(self.send, site, stranger, token, *job) for job in jobs]
            for part in (0.3, 0.6):
                assert eventually(lambda part=part: sum(map(_done, sent)) > part * self.MESSAGES, within=240)
                site.check_output("systemctl kill --signal=KILL courier-pythonfilter")
        codes = Counter((kind, future.result()) for (_number, kind), future in zip(jobs, sent, strict=True))
        assert codes == {(kind, code): self.MESSAGES // len(kinds) for kind, (code, _make) in KINDS.items()}
        wanted = sorted(number for number, kind in jobs if KINDS[kind][0] == 250)

        def arrived():
            return sorted(int(one["Subject"].split()[1]) for one in site.inbox(site.accounts["alice"], token))

        assert eventually(lambda: len(arrived()) >= len(wanted), within=60)
        assert arrived() == wanted


def _done(future):
    return future.done()


class TestWhatIsDown:
    """Each filter has its outcome, and systemd brings back what died."""

    @pytest.fixture
    def without(self, site, eventually):
        """Stop a service, and start it again at the end of the test."""
        stopped = []

        def stop(*units):
            stopped.extend(units)
            site.check_output(f"systemctl stop {' '.join(units)}")

        yield stop
        if stopped:
            site.check_output(f"systemctl start {' '.join(stopped)}")
            assert eventually(lambda: site.run(f"systemctl is-active {' '.join(stopped)}").succeeded)

    @pytest.mark.parametrize("sender", ["a stranger", "alice"])
    def test_without_clamd_mail_waits(self, site, deliver, without, letter, token, eventually, sender):
        without("clamav-daemon.socket", "clamav-daemon.service")
        assert deliver(sender, letter) == 451
        assert not site.inbox(site.accounts["alice"], token)

    def test_without_spamd_mail_comes_with_a_mark(self, site, deliver, without, letter, token, eventually):
        without("spamd.service")
        letter["X-Courier-Mail-Unchecked"] = "nothing, believe me"
        assert deliver("a stranger", letter) == 250
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))
        (message,) = site.inbox(site.accounts["alice"], token)
        assert message.get_all("X-Courier-Mail-Unchecked") == ["spamd"]

    @pytest.mark.parametrize("unit", ["clamav-daemon", "spamd", "courier-pythonfilter"])
    def test_what_dies_comes_back(self, site, deliver, letter, eventually, unit):
        site.check_output("systemctl kill --signal=KILL %s", unit)
        assert eventually(lambda: deliver("a stranger", letter) == 250, within=60)
        assert eventually(lambda: site.run("systemctl is-active %s", unit).succeeded)
        letter.set_content(f"{EICAR}\n")
        assert deliver("a stranger", letter) == 554

    def test_a_connection_that_dies_in_its_message_loses_and_doubles_nothing(
        self, site, stranger, deliver, letter, token, eventually
    ):
        smtp = site.smtp(stranger, 25, tls=False)
        smtp.ehlo()
        smtp.mail(WRITER)
        smtp.rcpt(site.accounts["alice"].address)
        smtp.docmd("DATA")
        smtp.send(bytes(letter).replace(b"\n", b"\r\n")[:200])
        pid = site.check_output("pgrep -n -x courieresmtpd")
        site.check_output("kill -KILL %s", pid)
        smtp.sock.close()
        assert deliver("a stranger", letter) == 250
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))
        assert len(site.inbox(site.accounts["alice"], token)) == 1

    @pytest.fixture
    def altered(self, site, eventually):
        """Change a file on the host and restart the filters; put both back."""
        kept = []

        def alter(path, command):
            site.check_output("cp -p %s /root/kept", path)
            kept.append(path)
            site.check_output(f"{command} {path}")
            site.run("systemctl restart --no-block courier-pythonfilter")

        yield alter
        for path in kept:
            site.check_output("cp -p /root/kept %s", path)
            site.check_output("systemctl restart courier-pythonfilter")

    @pytest.mark.parametrize(("path", "command"), BROKEN.values(), ids=BROKEN)
    def test_what_is_broken_on_the_host_is_down(self, site, altered, deliver, letter, token, eventually, path, command):
        if "clamd.py" in command:
            site.check_output("sed -i.bak '/^.clamd.py.$/,/^$/d' %s", path)
        altered(path, command)
        assert eventually(lambda: deliver("a stranger", letter) == 451)
        assert not site.inbox(site.accounts["alice"], token)
        said = site.check_output("journalctl --no-pager -o cat -u courier-pythonfilter --since=-1min")
        assert "nothing_of_that_name" in said or "sockt" in said

    def test_filters_that_cannot_start_let_nothing_in(self, site, altered, stranger, letter, token):
        altered("/etc/pythonfilter.conf", "sed -i '$a nothing_of_that_name'")
        smtp = site.smtp(stranger, 25, tls=False)
        smtp.sock.settimeout(10)
        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected, smtplib.SMTPDataError)):
            smtp.send_message(letter, WRITER, [site.accounts["alice"].address])
        assert not site.inbox(site.accounts["alice"], token)

    def test_the_socket_survives_restarts_of_courier(self, site, deliver, letter, eventually):
        letter.set_content(f"{EICAR}\n")
        for unit in ("courierfilter", "courier-mta", "courier"):
            site.check_output("systemctl reset-failed && systemctl restart %s", unit)
            assert eventually(lambda: site.is_open(25), within=60)
            assert deliver("a stranger", letter) == 554
