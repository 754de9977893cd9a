from __future__ import annotations

import email

import pytest

from plugins.module_utils._watch import _reports_mail as mail
from plugins.module_utils._watch._reports_text import Refused
from tests.unit.reported import RECEIVED, RESULTS, settings

AUTHOR = "From: <noreply@dmarc.example.net>\n\nx\n"
STRANGER = RECEIVED.replace("192.0.2.7", "203.0.113.9")


def results(said, server="mx1.example.com"):
    return f"Authentication-Results: {server}; {said}\n"


PROVEN = {
    "DMARC": (results("dmarc=pass header.from=dmarc.example.net"), "dmarc"),
    "DKIM of the organisation": (results("dkim=pass header.d=example.net header.s=a"), "dkim"),
    "SPF of the organisation": (results("spf=pass smtp.mailfrom=bounce.example.net"), "spf"),
    "SPF with an address": (results("spf=pass smtp.mailfrom=a@bounce.example.net"), "spf"),
    "our name in another spelling": (results("dmarc=pass header.from=DMARC.example.net", "MX1.Example.COM"), "dmarc"),
    "one of several signatures": (
        results("dkim=pass header.d=example.test; dkim=fail header.d=a.test; dkim=pass header.d=example.net"),
        "dkim",
    ),
    "below what the delivery wrote": (
        "Delivered-To: x@example.com\n" + results("dkim=pass header.d=example.net"),
        "dkim",
    ),
}


@pytest.mark.parametrize(("top", "by"), PROVEN.values(), ids=PROVEN)
def test_proven(top, by):
    found = mail.sender(mail.read((top + RECEIVED + AUTHOR).encode()), settings())
    assert found == ("dmarc.example.net", "example.net", by)


FORGED = {
    "nothing says anything": RECEIVED,
    "it failed": results("dmarc=fail header.from=dmarc.example.net; spf=fail smtp.mailfrom=example.net") + RECEIVED,
    "another domain": results("dmarc=pass header.from=example.test; dkim=pass header.d=example.test") + RECEIVED,
    "DMARC of another name": results("dmarc=pass header.from=example.net") + RECEIVED,
    "a public suffix": results("dkim=pass header.d=net") + RECEIVED,
    "another server": results("dmarc=pass header.from=dmarc.example.net", "mx.example.test") + RECEIVED,
    "below our Received": RECEIVED + results("dmarc=pass header.from=dmarc.example.net"),
    "below a Received of the stranger's": RECEIVED + results("dkim=pass header.d=example.net") + RECEIVED,
    "SPF of HELO": results("spf=pass smtp.helo=example.net") + RECEIVED,
    "a field that nobody can read": results('dmarc=pass" header.from=(dmarc.example.net') + RECEIVED,
    "a comment": results("none (dmarc=pass header.from=dmarc.example.net)") + RECEIVED,
    "a local program": "Received: from localhost (localhost [127.0.0.1])\n  (uid 1000)\n  by mx1.example.com\n"
    + results("dmarc=pass header.from=dmarc.example.net"),
}


@pytest.mark.parametrize("top", FORGED.values(), ids=FORGED)
def test_forged(top):
    with pytest.raises(Refused) as refused:
        mail.sender(mail.read((top + AUTHOR).encode()), settings())
    assert refused.value.reason == "forged"


@pytest.mark.parametrize(
    "author",
    [
        "From: a@example.net, b@example.test\n\n",
        "From: a@example.net\nFrom: a@example.net\n\n",
        "From: nobody\n\n",
        "Subject: x\n\n",
        "From: a@[192.0.2.1]\n\n",
    ],
    ids=["two", "twice", "no address", "none", "an address of IP"],
)
def test_an_author_that_is_not_clear_is_nobody(author):
    with pytest.raises(Refused, match="forged"):
        mail.sender(mail.read((RESULTS.format("example.net") + RECEIVED + author).encode()), settings())


class TestBehindAServer:
    """A watcher has its mail from the hub, which wrote what it found into it."""

    HUB = RECEIVED.replace("192.0.2.7", "192.0.2.1").replace("mx1", "watch")
    BELOW = results("dmarc=pass header.from=dmarc.example.net") + STRANGER + AUTHOR

    def test_the_hub_is_believed(self):
        message = mail.read((self.HUB + self.BELOW).encode())
        assert mail.sender(message, settings(relays=["192.0.2.1"])).by == "dmarc"

    @pytest.mark.parametrize("relays", [[], ["192.0.2.2"], ["2001:db8::/32"]], ids=["nobody", "another", "IPv6"])
    def test_others_are_not(self, relays):
        with pytest.raises(Refused):
            mail.sender(mail.read((self.HUB + self.BELOW).encode()), settings(relays=relays))

    def test_a_stranger_who_calls_himself_by_the_address_is_not(self):
        forged = STRANGER.replace("from mail.example.net (mail", "from [192.0.2.1] (mail")
        with pytest.raises(Refused):
            mail.sender(mail.read((forged + self.BELOW).encode()), settings(relays=["192.0.2.1"]))


WHO = mail.Sender("dmarc.example.net", "example.net", "dmarc")
CLAIMS = {
    "itself": ["r@example.net", "example.net"],
    "a part of itself": ["r@reports.example.net"],
    "no domain": ["", "Enterprise Mail"],
    "itself by another name in one of two": ["r@example.net", "Other.test"],
    "what we know to be the same": ["r@example.org"],
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
def test_vouches(claims):
    mail.vouch(WHO, claims, settings(reporters={"example.net": ["example.org"]}))


@pytest.mark.parametrize("claims", [["r@example.org"], ["", "example.org"]], ids=["an address", "a name"])
def test_does_not_vouch_for_others(claims):
    with pytest.raises(Refused, match=r"forged: it names example\.org, and dmarc\.example\.net sent it"):
        mail.vouch(WHO, claims, settings())


def test_many_parts_are_not_read():
    text = 'Content-Type: multipart/mixed; boundary="b"\n\n' + "--b\n\nx\n" * 100 + "--b--\n"
    with pytest.raises(Refused, match="too deep"):
        list(mail.parts(mail.read(text.encode())))


def test_the_organisation_follows_the_list():
    assert mail.organisation("a.b.example.co.uk") == "example.co.uk"
    assert mail.organisation("example.test") == "example.test"


def test_parts_of_a_message_within_are_not_parts():
    text = "Content-Type: message/rfc822\n\nContent-Type: application/gzip\n\nx\n"
    assert [one.get_content_type() for one in mail.parts(email.message_from_string(text))] == ["message/rfc822"]
