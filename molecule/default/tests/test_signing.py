# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is signed, as a server elsewhere sees it: opendkim and opendmarc say there what they found."""

from __future__ import annotations

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from email.policy import SMTP

import pytest

FRIEND = "mailbox@example.net"
BOTH = {"rsa-sha256", "ed25519-sha256"}


def results(message):
    """What the foreign server found, without comments."""
    fields = map(str, message.get_all("Authentication-Results", []))
    return [result.strip() for said in fields for result in re.sub(r"\([^()]*\)", "", said).split(";")]


def passed(message, tag="a"):
    """The domains whose signatures hold, each with its algorithms, or with another tag of them."""
    found = {}
    for said in results(message):
        if re.match(r"dkim=pass\b", said):
            tags = dict(re.findall(r"header\.(\w+)=(\S+)", said))
            found.setdefault(tags["d"], set()).add(tags[tag])
    return found


def is_aligned(message):
    return any(said.startswith("dmarc=pass") for said in results(message))


@pytest.fixture
def arrived(foreign, token, eventually):
    """The one message with the token, at the foreign server."""

    def arrived(what=token):
        assert eventually(lambda: foreign.received(what), within=60)
        (message,) = foreign.received(what)
        return message

    return arrived


def hand(site, text, recipient=FRIEND):
    """Hand a text to the host's sendmail, byte by byte."""
    encoded = base64.b64encode(text).decode()
    site.check_output("echo %s | base64 -d | sendmail -i %s", encoded, recipient)


class TestHolds:
    @pytest.mark.parametrize("port", [587, 465])
    def test_of_people(self, site, stranger, letter, arrived, port):
        alice = site.accounts["alice"]
        letter["From"] = f"Alice <{alice.address}>"
        with site.smtp(stranger, port) as smtp:
            smtp.login(*alice)
            smtp.send_message(letter, alice.address, [FRIEND])
        message = arrived()
        assert passed(message) == {site.domain: BOTH}
        assert is_aligned(message)

    def test_of_satellites(self, site, satellite, letter, arrived):
        letter["From"] = f"root@{satellite.name}"
        satellite.sendmail(letter, f"root@{satellite.name}", FRIEND)
        message = arrived()
        assert passed(message) == {site.domain: BOTH}
        assert is_aligned(message)

    def test_of_programs(self, site, letter, arrived):
        letter["From"] = f"root@{site.name}"
        site.sendmail(letter, f"root@{site.name}", FRIEND)
        message = arrived()
        assert passed(message) == {site.domain: BOTH}
        assert is_aligned(message)

    def test_of_another_domain_of_ours(self, site, letter, arrived):
        letter["From"] = f"orders@shop.{site.domain}"
        site.sendmail(letter, f"orders@shop.{site.domain}", FRIEND)
        assert passed(arrived()) == {f"shop.{site.domain}": BOTH}

    def test_of_odd_texts(self, site, arrived, token):
        head = "From: root@{name}\nSubject: {mark}\nDate: Mon, 5 Jan 2026 00:00:00 +0000\nMessage-ID: <{mark}@x>\n"
        ends = {
            "eight": "Content-Type: text/plain; charset=latin1\nContent-Transfer-Encoding: 8bit\n\nGrüße\n".encode(
                "latin-1"
            ),
            "header": "X-Name: Grüße\n  aus   Köln\t\nMIME-Version: 1.0\n\nx\n".encode(),
            "long": b"\n" + b"x y  " * 400 + b"\n",
            "blanks": b"\n a\t b  \n\t\n \n\n\n",
            "unended": b"\nthe end  ",
            "crlf": b"\r\none\r\n two  \r\n",
            "empty": b"\n",
            "dots": b"\n.\n..\n.x\n",
        }
        for name, end in ends.items():
            text = head.format(name=site.name, mark=f"{name}{token}").encode()
            hand(site, (text.replace(b"\n", b"\r\n") if name == "crlf" else text) + end)
        assert {name: passed(arrived(f"{name}{token}")) for name in ends} == {
            name: {site.domain: BOTH} for name in ends
        }

    def test_of_smtputf8(self, site, stranger, letter, arrived):
        alice = site.accounts["alice"]
        letter["From"] = f"Zoë <{alice.address}>"
        text = letter.as_bytes(policy=SMTP.clone(utf8=True)) + "Grüße\r\n".encode()
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*alice)
            smtp.sendmail(alice.address, [FRIEND], text, ["SMTPUTF8", "BODY=8BITMIME"])
        assert passed(arrived()) == {site.domain: BOTH}

    def test_of_much(self, site, stranger, letter, arrived):
        alice = site.accounts["alice"]
        letter["From"] = alice.address
        letter.set_content("It is much.\n")
        letter.add_attachment(b"\x93" * 17_000_000, maintype="application", subtype="octet-stream", filename="much.bin")
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*alice)
            smtp.send_message(letter, alice.address, [FRIEND])
        assert passed(arrived()) == {site.domain: BOTH}


class TestIsNotGiven:
    def test_to_partners(self, site, partner, letter, token, eventually):
        """From strangers no such message comes in."""
        letter["From"] = f"alice@{site.domain}"
        with site.smtp(partner, 25) as smtp:
            smtp.send_message(letter, "somebody@example.net", [site.accounts["bob"].address])
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        (message,) = site.inbox(site.accounts["bob"], token)
        assert "DKIM-Signature" not in message

    def test_to_what_people_forward(self, site, partner, letter, token, eventually):
        # Carol's mail goes to Bob as well, by a program of this host.
        letter["From"] = f"alice@{site.domain}"
        with site.smtp(partner, 25) as smtp:
            smtp.send_message(letter, "somebody@example.net", [site.accounts["carol"].address])
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        (message,) = site.inbox(site.accounts["bob"], token)
        assert "DKIM-Signature" not in message

    def test_to_what_a_program_passes_on(self, site, letter, arrived):
        letter["Received"] = "from evil.example.net by nowhere.example.net; Mon, 5 Jan 2026 00:00:00 +0000"
        letter["From"] = f"alice@{site.domain}"
        letter["X-Courier-Mail-Shielded"] = "yes"
        site.sendmail(letter, f"root@{site.name}", FRIEND)
        message = arrived()
        assert "DKIM-Signature" not in message
        assert "X-Courier-Mail-Shielded" not in message

    def test_to_reports(self, site, token, eventually):
        hand(site, f"Subject: {token}\n\nx\n".encode(), f"nobody-{token}@example.net")
        assert eventually(lambda: site.inbox(site.accounts["alice"], token, "TEXT"))
        notice = site.inbox(site.accounts["alice"], token, "TEXT")[0]
        assert notice.get_content_type() == "multipart/report"
        assert "DKIM-Signature" not in notice


def test_private_keys_are_read_by_those_who_sign_alone(site):
    listing = site.check_output("find /etc/courier/dkim -printf '%u:%g %m %f\\n'").splitlines()
    assert {line.rpartition(" ")[0] for line in listing} == {"root:courier 750", "root:courier 640"}
    assert site.run("runuser -u www-data -- cat /etc/courier/dkim/signing.json").rc != 0


def test_a_key_that_cannot_be_read_holds_mail_and_leaves_none_unsigned(site, letter, arrived, eventually):
    letter["From"] = f"root@{site.name}"
    active = json.loads(site.check_output("cat /etc/courier/dkim/signing.json"))["domains"][site.domain][0]["key"]
    site.check_output("chmod 0600 %s", active)
    try:
        text = base64.b64encode(bytes(letter)).decode()
        refused = site.run("echo %s | base64 -d | sendmail -i %s", text, FRIEND)
        assert refused.rc != 0
    finally:
        site.check_output("chmod 0640 %s", active)
    site.sendmail(letter, f"root@{site.name}", FRIEND)
    assert passed(arrived()) == {site.domain: BOTH}


class TestRotation:
    def publish(self, names, site):
        """Have DNS say what lies beside the keys of a site."""
        for path in site.check_output("find /etc/courier/dkim -name '*.txt'").split():
            domain, selector = path.removesuffix(".txt").split("/")[-2:]
            text = site.check_output("cat %s", path)
            strings = " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))
            name = f"{selector}._domainkey.{domain}."
            names.check_output(
                "echo %s | nsupdate",
                f"server 127.0.0.1\nupdate delete {name} TXT\nupdate add {name} 60 TXT {strings}\nsend\n",
            )

    def test_no_message_leaves_unsigned(self, sites, play, host_named, foreign, stranger, token, eventually):
        names = host_named("dns.example.net")
        before = {site.name: self.signing(site) for site in sites}

        def send(site, number):
            alice = site.accounts["alice"]
            text = f"From: {alice.address}\r\nSubject: {token}-{site.name}-{number}\r\n\r\nHello\r\n"
            with site.smtp(stranger, 587) as smtp:
                smtp.login(*alice)
                smtp.sendmail(alice.address, [FRIEND], text)

        with ThreadPoolExecutor() as pool:
            running = pool.submit(play, "courier.mail.dkim", "-e", "dkim_rotate=true", "-e", "dkim_wait=120",
                                  "--limit", ",".join(site.name for site in sites))  # fmt: skip
            sent = 0
            published = set()
            while not running.done():
                for site in sites:
                    send(site, sent)
                    if site.name not in published and json.loads(self.signing(site))["next"]:
                        self.publish(names, site)
                        published.add(site.name)
                sent += 1
                time.sleep(0.2)  # a stream, and no flood
        assert not running.result().failures
        for site in sites:
            send(site, sent)
        assert eventually(lambda: len(foreign.received(token)) == 2 * (sent + 1), within=60)
        for site in sites:
            messages = [message for message in foreign.received(token) if f"-{site.name}-" in message["Subject"]]
            assert [passed(message) for message in messages] == [{site.domain: BOTH}] * (sent + 1)
            now = json.loads(self.signing(site))
            old, new = (
                {key["selector"] for key in said["domains"][site.domain]}
                for said in (json.loads(before[site.name]), now)
            )
            assert {frozenset(passed(message, "s")[site.domain]) for message in messages} == {
                frozenset(old),
                frozenset(new),
            }
            assert {key["selector"] for key in now["retired"][site.domain]} >= old

    def signing(self, site):
        return site.check_output("cat /etc/courier/dkim/signing.json")
