# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wrote what comes from outside, what is said of it, and what the domain in From wants done."""

from __future__ import annotations

import gzip
import re
import smtplib
import textwrap
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from tests.unit.signed import ed25519, rsa, sign

NET = "example.net"
KEYS = {
    **{
        f"t._domainkey.{name}": rsa()[1]
        for name in (f"p-reject.{NET}", f"p-quarantine.{NET}", f"p-strict.{NET}", "bank.test")
    },
    f"e._domainkey.p-reject.{NET}": ed25519()[1],
}

SIGNED = {
    "unsigned": lambda raw, _domain: raw,
    "valid": lambda raw, domain: sign(raw, domain, "t"),
    "valid Ed25519": lambda raw, domain: sign(raw, domain, "e", algorithm="ed25519-sha256"),
    "broken body": lambda raw, domain: sign(raw, domain, "t") + b"More.\n",
    "broken header": lambda raw, domain: sign(raw, domain, "t").replace(b"Subject: ", b"Subject: Re: ", 1),
    "wrong key": lambda raw, domain: sign(raw, domain, "t", key=rsa(number=1)[0]),
    "expired": lambda raw, domain: sign(raw, domain, "t").replace(b"; h=", b"; x=1; h=", 1),
}
# What SPF says of the sender, the signature, whose name is in From, who signs; the answer, the folder, what is said.
REJECT, QUARANTINE, SHOP = f"p-reject.{NET}", f"p-quarantine.{NET}", "shop.bank.test"
MATRIX = [
    ("pass", "unsigned", REJECT, REJECT, 250, "INBOX", "dkim=none; dmarc=pass"),
    ("fail", "valid", REJECT, REJECT, 250, "INBOX", "dkim=pass"),
    ("softfail", "broken body", REJECT, REJECT, 550, None, "the body was changed"),
    ("neutral", "broken header", QUARANTINE, QUARANTINE, 250, "INBOX.Junk", "dkim=fail"),
    ("none", "wrong key", REJECT, REJECT, 550, None, "the header was changed"),
    ("permerror", "expired", QUARANTINE, QUARANTINE, 250, "INBOX.Junk", "dkim=fail"),
    ("temperror", "unsigned", REJECT, REJECT, 451, None, "DNS does not say"),
    ("temperror", "valid Ed25519", REJECT, REJECT, 250, "INBOX", "dkim=pass"),
    ("temperror", "broken body", QUARANTINE, QUARANTINE, 451, None, "DNS does not say"),
    ("fail", "unsigned", SHOP, SHOP, 550, None, "bank.test asks to refuse"),
    ("none", "valid", SHOP, "bank.test", 250, "INBOX", "dkim=pass"),
    ("fail", "unsigned", f"p-none.{NET}", NET, 250, "INBOX", "dmarc=fail (p=none dis=none)"),
    ("pass", "broken body", f"p-strict.{NET}", f"p-strict.{NET}", 550, None, "SPF pass"),
    ("pass", "unsigned", QUARANTINE, QUARANTINE, 250, "INBOX", "dmarc=pass"),
    ("neutral", "unsigned", f"spf-none.{NET}", NET, 250, "INBOX", "dmarc=none"),
]
FOUND = {row: ("pass" if row[4] == 250 and row[5] == "INBOX" else "fail") for row in MATRIX}


@pytest.fixture(scope="session", autouse=True)
def keys(nsupdate):
    for name, text in KEYS.items():
        parts = " ".join(f'"{part}"' for part in textwrap.wrap(text, 200, drop_whitespace=False))
        zone = "bank.test" if name.endswith("bank.test") else NET
        nsupdate(zone, f"update delete {name} TXT", f"update add {name} 60 TXT {parts}")


def written(token, author, above=""):
    return (
        f"{above}From: Ann <ann@{author}>\nTo: Us <us@example.com>\nSubject: {token}\nDate: {formatdate()}\n"
        f"Message-ID: <{token.replace(' ', '.')}@{author}>\n\nDear friend,\n\nall is well.\n"
    ).encode()


@pytest.fixture
def send(site, host_named):
    """Send as somebody from outside. Returns the code of the answer to the message, and its text."""

    def send(raw, sender, who="alice", caller="stranger.example.net"):
        with site.smtp(host_named(caller), 25, tls=False) as smtp:
            try:
                smtp.sendmail(sender, [site.accounts[who].address], raw.replace(b"\n", b"\r\n"))
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code, refused.smtp_error.decode()
            return 250, ""

    return send


@pytest.fixture
def folder(site, parsed):
    """The messages with a token in a folder of Alice's."""

    def folder(name, token):
        with site.imap(site) as imap:
            imap.login(*site.accounts["alice"])
            imap.select(name, readonly=True)
            (numbers,) = imap.search(None, "SUBJECT", token)[1]
            if not numbers:
                return []
            parts = imap.fetch(numbers.replace(b" ", b",").decode(), "(BODY.PEEK[])")[1]
            return [parsed(part[1]) for part in parts if isinstance(part, tuple)]

    return folder


def results(message):
    """What our field says, in one line."""
    return " ".join(str(message.get_all("Authentication-Results")[0]).split())


def test_matrix(site, send, folder, token, eventually):
    def sent(number):
        spf, signed, author, signer, *_expected = MATRIX[number]
        raw = SIGNED[signed](written(f"{token} n{number}", author), signer)
        return send(raw, f"bounce@spf-{spf}.{NET}")

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(sent, range(len(MATRIX))))
    wanted = [(row[4], row[6] in text) for row, (_code, text) in zip(MATRIX, answers, strict=True) if row[4] != 250]
    got = [(code, row[6] in text) for row, (code, text) in zip(MATRIX, answers, strict=True) if row[4] != 250]
    assert (got, [code for code, _text in answers]) == (
        [(code, True) for code, _said in wanted],
        [row[4] for row in MATRIX],
    ), answers
    for name in ("INBOX", "INBOX.Junk"):
        here = {number: row for number, row in enumerate(MATRIX) if row[5] == name}
        assert eventually(lambda name=name, here=here: len(folder(name, token)) >= len(here))
        found = {int(re.search(r" n(\d+)", message["Subject"])[1]): message for message in folder(name, token)}
        assert sorted(found) == sorted(here)
        for number, (spf, _signed, author, _signer, _code, _folder, said) in here.items():
            field = results(found[number])
            assert field.startswith(f"{site.name}; spf={spf} smtp.mailfrom=spf-{spf}.{NET}; dkim="), field
            assert said in field, field
            assert f"header.from={author}" in field, field
            assert ("X-Spam-Flag" in found[number]) == (name != "INBOX")


@pytest.mark.parametrize("how", [(b"simple", b"simple"), (b"relaxed", b"relaxed")])
def test_a_signature_survives_how_it_is_written(send, folder, token, eventually, how):
    odd = "X-Odd:\t one\n\t two  \nCc:  Bob   <bob@example.com> ,\n  =?utf-8?q?=C3=A9?=  <e@example.com>\nx-lower: \n"
    raw = written(token, REJECT, odd).replace(b"To: Us", b"To:   Us ")
    raw += b"\n.\n..two dots\n  blanks at the end  \n" + "8 bit: \u03b1\u03b2\u03b3\n".encode() + b"x" * 990 + b"\n\n\n"
    fields = [b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"x-odd", b"x-lower", b"from", b"reply-to"]
    assert send(sign(raw, REJECT, "t", how=how, fields=fields), f"a@spf-fail.{NET}") == (250, "")
    assert eventually(lambda: folder("INBOX", token))
    assert "dkim=pass" in results(folder("INBOX", token)[0])


def test_what_others_claim_in_our_name_is_removed(site, send, folder, token, eventually):
    ours = f"Authentication-Results: {site.name}; dmarc=pass\n"
    ours += f"authentication-results:\n (x) {site.name.upper()} 1;\n dmarc=pass\n"
    other = "Authentication-Results: mx.example.net; spf=pass\n"
    forged = f"{ours}{other}Received-SPF: pass (forged) identity=mailfrom; SPF=MAILFROM\n"
    assert send(written(token, f"p-none.{NET}", forged), f"a@spf-fail.{NET}")[0] == 250
    assert eventually(lambda: folder("INBOX", token))
    (message,) = folder("INBOX", token)
    ours, other = (str(value) for value in message.get_all("Authentication-Results"))
    assert results(message).startswith(f"{site.name}; spf=fail")
    assert other == "mx.example.net; spf=pass"
    assert "dmarc=fail" in ours
    names = message.keys()
    assert names.index("Authentication-Results") < names.index("Received-SPF") < names.index("Received")


def test_two_from_fields_are_refused(send, token):
    code, text = send(written(token, REJECT, f"From: a@spf-pass.{NET}\n"), f"a@spf-pass.{NET}")
    assert (code, "2 From fields" in text) == (550, True)


def test_dns_trouble_is_waited_for(nsupdate, send, folder, token, eventually):
    name = f"_dmarc.{token[:20]}.late.{NET}"
    nsupdate(NET, f"update add {name} 60 CNAME x.dead.test.")
    raw = written(token, name.removeprefix("_dmarc."))
    try:
        code, text = send(raw, f"a@spf-fail.{NET}")
        assert (code, "try again later" in text) == (451, True)
    finally:
        nsupdate(NET, f"update delete {name}")
    # The name server remembers for a second that it could not answer.
    assert eventually(lambda: send(raw, f"a@spf-fail.{NET}")[0] == 250)
    assert eventually(lambda: folder("INBOX", token))


def test_a_partner_is_not_held_to_it(send, folder, token, eventually):
    assert send(written(token, REJECT), f"a@spf-fail.{NET}", caller="relay.example.net")[0] == 250
    assert eventually(lambda: folder("INBOX", token))
    field = results(folder("INBOX", token)[0])
    assert f"spf=fail smtp.mailfrom=spf-fail.{NET}" in field
    assert "dmarc=fail (p=reject dis=none trusted_forwarder: trusted peer)" in field


def test_our_own_people_are_not_asked(site, stranger, folder, token, eventually):
    alice = site.accounts["alice"]
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        raw = written(token, site.domain, f"Authentication-Results: {site.name}; dmarc=pass\n").replace(
            b"ann@", b"alice@"
        )
        smtp.sendmail(alice.address, [alice.address], raw.replace(b"\n", b"\r\n"))
    assert eventually(lambda: folder("INBOX", token))
    assert not {"Authentication-Results", "Received-SPF"} & set(folder("INBOX", token)[0].keys())


def test_domains_hear_what_was_found(site, foreign, send, token, eventually):
    def reports(domain):
        asked = f"Report Domain: {domain} Submitter: {site.name} "
        return [one for one in foreign.received("Submitter:") if asked in " ".join(one["Subject"].split())]

    before = len(reports("bank.test"))
    assert send(written(token, "bank.test"), f"a@spf-fail.{NET}")[0] == 250
    said = site.check_output("runuser -u courier -- courier-mail dmarc-report")
    # The other address that bank.test names is in a domain that does not want to hear of it.
    assert f"bank.test: reported to mailbox@{NET}\n" in f"{said}\n"
    assert eventually(lambda: len(reports("bank.test")) > before)
    parts = [part for report in reports("bank.test") for part in report.iter_attachments()]
    roots = [ET.fromstring(gzip.decompress(part.get_content())) for part in parts]
    assert {root.findtext("policy_published/domain") for root in roots} == {"bank.test"}
    assert "bank.test" in [row.text for root in roots for row in root.findall("record/identifiers/header_from")]
    assert site.run("systemctl is-enabled courier-mail-dmarc.timer").stdout.strip() == "enabled"
