"""DKIM signatures and ARC seals: what counts, and why the others do not."""

import re
import time

import pytest

from plugins.module_utils._filters._dkim import MOST, chain, verify
from tests.unit.signed import DEAD, Dns, ed25519, rsa, seal, sign

TEXT = b"From: Ann <ann@example.net>\nSubject: s\nTo: bob@example.com\n\nHello,\n\n  world \n"
NAME = "s._domainkey.example.net"
FOUND = "mx.example.org; dmarc=pass header.from=example.net"


@pytest.fixture
def dns():
    return Dns().text(NAME, rsa()[1])


def one(text, dns):
    (found,) = verify(text, dns)
    return found


@pytest.mark.parametrize("how", [(b"relaxed", b"relaxed"), (b"simple", b"simple"), (b"relaxed", b"simple")])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_signature_is_valid(dns, how, ends):
    found = one(sign(TEXT, "example.net", how=how).replace(b"\n", ends), dns)
    assert found._replace(start="") == ("pass", "", "example.net", "s", "rsa-sha256", "@example.net", "")
    assert len(found.start) == 8


def test_ed25519_is_known():
    dns = Dns().text(NAME, ed25519()[1])
    assert one(sign(TEXT, "example.net", algorithm="ed25519-sha256"), dns).result == "pass"


def test_each_signature_counts_from_the_top(dns):
    dns.text("t._domainkey.list.example.org", ed25519()[1])
    text = sign(sign(TEXT, "example.net"), "list.example.org", "t", algorithm="ed25519-sha256")
    assert [(found.domain, found.result) for found in verify(text, dns)] == [
        ("list.example.org", "pass"),
        ("example.net", "pass"),
    ]


def test_only_so_many_are_looked_at(dns):
    text = TEXT
    for _number in range(MOST + 2):
        text = sign(text, "example.net")
    assert len(verify(text, dns)) == MOST


CHANGES = {
    "another body": (b"world", b"w0rld", "fail", "the body was changed"),
    "more body": (b"world \n", b"world \nmore\n", "fail", "the body was changed"),
    "another Subject": (b"Subject: s", b"Subject: t", "fail", "the header was changed"),
    "another From": (b"ann@", b"eve@", "fail", "the header was changed"),
    "a second From": (b"To: ", b"From: eve@example.net\nTo: ", "fail", "the header was changed"),
    "no From signed": (b"h=from", b"h=form", "permerror", "From is not signed"),
    "no domain": (b" d=example.net;", b"", "permerror", "no d="),
    "an old algorithm": (b"rsa-sha256", b"rsa-sha1", "policy", "proves nothing"),
    "an unknown algorithm": (b"rsa-sha256", b"rsa-md5", "permerror", "unknown signature algorithm"),
    "another kind": (b"rsa-sha256", b"ed25519-sha256", "permerror", "of another kind"),
    "no list of tags": (b"q=dns/txt;", b"nothing;", "permerror", "no list of tags"),
    "the identity of another": (b"i=@example.net", b"i=@example.org", "permerror", "not a subdomain"),
    "an odd value": (b"bh=", b"bh=#", "permerror", ""),
    "many blanks": (b"; q=", b"; " + b" " * 200 + b"q=", "permerror", "too long"),
}


@pytest.mark.parametrize(("old", "new", "result", "reason"), CHANGES.values(), ids=CHANGES)
def test_what_does_not_count(dns, old, new, result, reason):
    signed = sign(TEXT, "example.net")
    changed = signed.replace(old, new, 1)
    assert changed != signed
    found = one(changed, dns)
    assert (found.result, reason in found.reason) == (result, True), found


KEYS = {
    "no key": ((), "permerror", "there is no key"),
    "another text": (("v=spf1 -all",), "permerror", "there is no key"),
    "revoked": (("v=DKIM1; p=",), "permerror", "was revoked"),
    "another key": ((rsa(number=1)[1],), "fail", "the key is another"),
    "no key at all": (("v=DKIM1; p=AAAA",), "permerror", "makes no sense"),
    "an endless key": (("p=" + "A" * 4000,), "permerror", "bytes"),
    "another hash": ((rsa()[1] + "; h=sha1",), "permerror", "sha256"),
    "another version": ((rsa()[1].replace("DKIM1", "DKIM2"),), "permerror", "makes no sense"),
    "no answer": ((DEAD,), "temperror", "no answer"),
    "beside another text": (("v=spf1 -all", rsa()[1]), "pass", ""),
    "in testing": ((rsa()[1] + "; t=y",), "pass", ""),
    "with blanks": ((re.sub("p=(.{60})", r"p=\1 ", rsa()[1]),), "pass", ""),
}


@pytest.mark.parametrize(("texts", "result", "reason"), KEYS.values(), ids=KEYS)
def test_what_dns_has(texts, result, reason):
    found = one(sign(TEXT, "example.net"), Dns().text(NAME, *texts))
    assert (found.result, reason in found.reason) == (result, True), found


def test_a_key_may_speak_for_its_domain_alone():
    text = sign(TEXT, "example.net", identity=b"@sub.example.net")
    assert one(text, Dns().text(NAME, rsa()[1])).result == "pass"
    assert "does not speak for sub.example.net" in one(text, Dns().text(NAME, rsa()[1] + "; t=s")).reason


def test_short_keys_prove_nothing():
    private, record = rsa(768)
    found = one(sign(TEXT, "example.net", key=private), Dns().text(NAME, record))
    assert (found.result, "has 768 bits" in found.reason) == ("fail", True)


def test_a_signature_of_the_beginning_proves_nothing_of_the_rest(dns):
    assert one(sign(TEXT, "example.net", length=True) + b"more\n", dns).result == "policy"


@pytest.mark.parametrize(("seconds", "expired"), [(-86400, True), (3600, False)])
def test_expired(dns, seconds, expired):
    # dkimpy signs without x=. It is read before the header, which was changed by it.
    text = sign(TEXT, "example.net").replace(b"; h=", b"; x=%d; h=" % (time.time() + seconds), 1)
    found = one(text, dns)
    assert (found.result, "expired" in found.reason) == ("fail", expired)


def test_long_runs_of_blanks_take_no_time(dns):
    text = sign(TEXT + b"x" + b" " * 300000 + b"x\n", "example.net", how=(b"relaxed", b"simple"))
    text = text.replace(b"c=relaxed/simple", b"c=relaxed/relaxed", 1)
    began = time.monotonic()
    assert one(text, dns).result == "fail"
    assert time.monotonic() - began < 2


def test_what_is_no_header_is_no_signature(dns):
    assert verify(b"nonsense\n\n", dns)[0].result == "permerror"
    assert verify(TEXT, dns) == []
    assert verify(sign(TEXT, "example.net").replace(b"\n\n", b"\n" + b"X: y\n" * 2500 + b"\n", 1), dns)[0].reason


def test_a_chain_says_who_sealed():
    dns = Dns().text("s._domainkey.list.example.org", rsa()[1]).text("s._domainkey.out.example.org", rsa()[1])
    once = seal(TEXT, "list.example.org", FOUND)
    found = chain(once, dns)
    assert (found.result, found.sealers, found.first) == ("pass", ["list.example.org"], FOUND)
    twice = chain(seal(once, "out.example.org", "out.example.org; arc=pass"), dns)
    assert (twice.result, twice.sealers, twice.first) == ("pass", ["list.example.org", "out.example.org"], FOUND)


def test_a_chain_fails():
    dns = Dns().text("s._domainkey.list.example.org", rsa()[1])
    sealed = seal(TEXT, "list.example.org", FOUND)
    assert chain(sealed.replace(b"world", b"w0rld"), dns).result == "fail"
    assert chain(sealed.replace(b"dmarc=pass", b"dmarc=none"), dns).result == "fail"
    assert chain(sealed.replace(b"ARC-Seal", b"X-Seal"), dns).result == "fail"
    assert chain(sealed, Dns()).result == "fail"
    dead = chain(sealed, Dns().text("s._domainkey.list.example.org", DEAD))
    assert (dead.result, dead.temporary) == ("fail", True)
    assert chain(TEXT, dns).result == "none"
