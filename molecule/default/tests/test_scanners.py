# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clamd and spamd, asked as a filter would ask them."""

from __future__ import annotations

import io
import re
import zipfile
from email.message import EmailMessage

import pytest

from plugins.module_utils import _filter_probe

EICAR = _filter_probe.EICAR.encode()
GTUBE = _filter_probe.GTUBE

CLAMD, SPAMD = "/run/clamav/clamd.ctl", "/run/spamd/spamd.sock"


@pytest.fixture
def scan(site):
    """What clamd says to bytes."""

    def scan(data):
        pieces = [data[at : at + 1000000] for at in range(0, len(data), 1000000)]
        return site.ask(
            CLAMD,
            b"zINSTREAM\0" + b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces) + bytes(4),
        )

    return scan


@pytest.fixture
def check(site):
    """What spamd says to a message: `check(letter, "SYMBOLS")`."""

    def check(letter, command="SYMBOLS", **headers):
        message = bytes(letter).replace(b"\n", b"\r\n")
        lines = [f"{command} SPAMC/1.5", f"Content-length: {len(message)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return site.ask(SPAMD, "\r\n".join([*lines, "\r\n"]).encode() + message).decode(errors="replace")

    return check


@pytest.fixture
def ordinary(letter):
    """A letter as people write them, from where people are."""
    letter["From"] = "Frida Friend <frida@friends-of-mail.com>"
    letter["To"] = "Alice Example <alice@example.com>"
    letter["Received"] = (
        "from mail.friends-of-mail.com (mail.friends-of-mail.com [9.9.9.9])"
        " by mx1.example.com with ESMTPS; Wed, 25 Nov 2026 10:00:00 +0000"
    )
    letter.set_content("Dear Alice,\n\nshall we meet on Tuesday and look at the figures of last year?\n\nFrida\n")
    return letter


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("harmless.txt", EICAR)
    return buffer.getvalue()


def attached(data, kind=("application", "octet-stream")):
    letter = EmailMessage()
    letter["Subject"] = "Look at this"
    letter.set_content("It is attached.\n")
    letter.add_attachment(data, *kind, filename="harmless.bin")  # in base64
    return bytes(letter)


class TestClamd:
    def test_answers(self, site):
        assert site.ask(CLAMD, b"zPING\0") == b"PONG\0"

    @pytest.mark.parametrize("user", ["courier", "debian-spamd"])
    def test_answers_those_who_ask_it(self, site, user):
        said = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('%s')"
        assert site.run("runuser -u %s -- python3 -c %s", user, said % CLAMD).succeeded

    @pytest.mark.parametrize(
        "data",
        [
            EICAR,
            attached(EICAR),
            zipped(),
            attached(zipped()),
            attached(EICAR, ("image", "png")),
            25 * 1000000 * b"." + EICAR,
        ],
        ids=["as it is", "base64", "zip", "zip in base64", "wrong type", "end of 25 MB"],
    )
    def test_finds(self, scan, data):
        assert scan(data) == b"stream: Bed.Eicar.UNOFFICIAL FOUND\0"

    @pytest.mark.parametrize(
        "data", [b"", EICAR[:40], attached(b"Nothing.\n")], ids=["nothing", "half of it", "a letter"]
    )
    def test_finds_nothing_in(self, scan, data):
        assert scan(data) == b"stream: OK\0"

    def test_knows_a_signature_of_the_inventory(self, scan):
        assert scan(b"courier-mail-" + b"signature-that-goes") == b"stream: Bed.Gone.UNOFFICIAL FOUND\0"


class TestSpamd:
    def test_answers(self, site):
        assert site.ask(SPAMD, b"PING SPAMC/1.5\r\n\r\n") == b"SPAMD/1.5 0 PONG\r\n"

    def test_answers_the_filters_and_nobody_else(self, site):
        ask_it = "echo | runuser -u %s -- spamc -x -K -U %s"
        assert site.run(ask_it, "courier", SPAMD).succeeded
        assert not site.run(ask_it, "nobody", SPAMD).succeeded
        assert not site.is_open(783)

    def test_takes_the_test_pattern_for_spam(self, ordinary, check):
        ordinary.set_content(f"{GTUBE}\n")
        assert "\r\nSpam: True ; " in check(ordinary)

    def test_takes_an_ordinary_letter_for_what_it_is(self, ordinary, check):
        assert "\r\nSpam: False ; " in check(ordinary)

    def test_knows_a_rule_of_the_inventory(self, ordinary, check):
        assert "EXAMPLE_INVOICE" not in check(ordinary)
        ordinary.replace_header("Subject", "The final invoice for your domain")
        assert "EXAMPLE_INVOICE" in check(ordinary)
        assert re.search(r"3\.5 EXAMPLE_INVOICE +Wants money for a domain", check(ordinary, "REPORT"))

    def test_learns_what_it_is_told(self, ordinary, check):
        def probability():
            return re.findall(r"BAYES_\d+", check(ordinary))

        def letters(words):
            for number in range(6):
                other = EmailMessage()
                other["Subject"] = f"{words} {number}"
                other["Message-ID"] = f"<lesson-{number}-{words.split()[0]}@friends-of-mail.com>"
                other.set_content(f"{words} {words} number {number}, as in letter {number}\n" * 4)
                yield other

        lessons = {"spam": list(letters("zyrkan plonkor wibbet")), "ham": list(letters("murmel fanzig drupelt"))}
        ordinary.set_content("zyrkan plonkor wibbet, zyrkan plonkor wibbet\n" * 4)
        assert probability() == []
        try:
            for kind, others in lessons.items():
                for other in others:
                    assert "DidSet: local" in check(other, "TELL", Message_class=kind, Set="local")
            assert probability() in (["BAYES_80"], ["BAYES_95"], ["BAYES_99"], ["BAYES_99", "BAYES_999"])
        finally:
            for other in [*lessons["spam"], *lessons["ham"]]:
                check(other, "TELL", Remove="local")
        assert probability() == []


class TestSpamdAsksLists:
    """With the setting of `spamassassin_dns: auto`, a name to try, and nothing asked outside of the bed."""

    ASK = """
dns_available test: dns.example.net
skip_rbl_checks 0
dns_query_restriction deny com net org
dns_query_restriction allow example.net
header BED_LISTED eval:check_rbl_from_host('bed', 'spamlist.example.net.')
"""
    SILENT = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 5399)); [*iter(s.recv, 0)]"
    NAME = "friends-of-mail.com.spamlist.example.net"

    def test_who_is_listed_counts_and_a_silent_resolver_is_not_waited_for(
        self, site, ordinary, check, nsupdate, eventually
    ):
        def say(settings):
            site.check_output("echo %s >/etc/spamassassin/zzz_bed.cf; systemctl restart spamd", settings)

        def rules():
            try:
                return check(ordinary)
            except OSError:  # it does not listen yet
                return ""

        nsupdate("example.net", f"update add {self.NAME} 1 A 127.0.0.2")
        site.check_output("systemd-run -q --unit=bed-silent python3 -c %s", self.SILENT)
        try:
            say(self.ASK)
            assert eventually(lambda: "BED_LISTED" in rules())
            say(f"{self.ASK}\ndns_server 127.0.0.1:5399")
            said = eventually(rules)
            assert "\r\nSpam: False ; " in said
            assert "BED_LISTED" not in said
        finally:
            nsupdate("example.net", f"update delete {self.NAME}")
            site.run("rm /etc/spamassassin/zzz_bed.cf; systemctl stop bed-silent; systemctl restart spamd")
            assert eventually(rules)


class TestClamdAskedBySpamd:
    def test_a_virus_counts(self, ordinary, check):
        ordinary.add_attachment(EICAR, "application", "octet-stream", filename="harmless.bin")
        said = check(ordinary, "HEADERS")
        assert "X-Spam-Virus: Yes (Bed.Eicar.UNOFFICIAL)\r\n" in said
        assert "CLAMD_VIRUS" in said
        assert "X-Spam-Flag: YES" in said

    def test_no_virus_does_not(self, ordinary, check):
        said = check(ordinary, "HEADERS")
        assert "X-Spam-Virus: No\r\n" in said
        assert "CLAMD_VIRUS" not in said

    def test_a_clamd_that_is_down_lets_pass(self, site, ordinary, check, eventually):
        ordinary.add_attachment(EICAR, "application", "octet-stream", filename="harmless.bin")
        site.check_output("systemctl stop clamav-daemon.socket clamav-daemon.service")
        try:
            said = check(ordinary, "HEADERS")
            assert "X-Spam-Virus: Error\r\n" in said
            assert "X-Spam-Flag: YES" not in said
            assert "clamd: /run/clamav/clamd.ctl: " in site.check_output(
                "journalctl --sync; journalctl -u spamd -n 20 --output=cat"
            )
        finally:
            site.check_output("systemctl start clamav-daemon.socket clamav-daemon.service")
        assert eventually(lambda: "X-Spam-Virus: Yes" in check(ordinary, "HEADERS"))

    def test_a_clamd_that_hangs_is_not_waited_for(self, site, ordinary, check, eventually):
        ordinary.add_attachment(EICAR, "application", "octet-stream", filename="harmless.bin")
        process = site.check_output("systemctl show --property=MainPID --value clamav-daemon")
        site.check_output("kill -STOP %s", process)
        try:
            assert "X-Spam-Virus: Error\r\n" in check(ordinary, "HEADERS")
            said = site.check_output("journalctl --sync; journalctl -u spamd -n 20 --output=cat")
            assert "clamd: timed out" in said
        finally:
            site.run("kill -CONT %s", process)
        assert eventually(lambda: "X-Spam-Virus: Yes" in check(ordinary, "HEADERS"))


@pytest.mark.parametrize(
    ("unit", "path", "ping", "pong"),
    [
        ("clamav-daemon", CLAMD, b"zPING\0", b"PONG\0"),
        ("spamd", SPAMD, b"PING SPAMC/1.5\r\n\r\n", b"SPAMD/1.5 0 PONG\r\n"),
    ],
    ids=["clamd", "spamd"],
)
def test_what_dies_comes_back(site, eventually, unit, path, ping, pong):
    def process():
        return int(site.check_output("systemctl show --property=MainPID --value %s", unit))

    def answers():
        try:
            return site.ask(path, ping) == pong
        except OSError:
            return False

    for _time in range(7):  # more often than systemd is patient with units of its own
        before = process()
        site.check_output("kill -KILL %s", str(before))
        assert eventually(lambda gone=before: process() not in (0, gone))
        assert eventually(answers)


def test_a_host_that_only_sends_has_none(satellite):
    assert not satellite.run("dpkg --status clamav-daemon").succeeded
    assert not satellite.run("dpkg --status spamd").succeeded


def test_a_host_that_passes_on_has_none(smarthost):
    assert not smarthost.run("dpkg --status clamav-daemon").succeeded
    assert not smarthost.run("dpkg --status spamd").succeeded
