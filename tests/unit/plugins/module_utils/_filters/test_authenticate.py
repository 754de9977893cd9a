"""Who wrote what comes from outside, and what follows."""

from __future__ import annotations

import itertools
import random
import re
import sys
import types

import authres
import pytest

from plugins.module_utils._filters import _origin, _results, authenticate
from plugins.module_utils._filters._message import Message
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import PASS, Outcome, defer
from plugins.module_utils._filters.authenticate import Filter, Settings
from tests.unit.filtered import addresses, left, message
from tests.unit.signed import DEAD, Dns, rsa, seal, sign

HOST = "mx1.example.com"
BODY = (
    "Message-ID: <1@example.net>\nDate: Thu, 01 Jan 2026 00:00:00 +0000\nSubject: s\nTo: alice@example.com\n\nHello\n"
)
RECEIVED = "Received: from client.example.net (client.example.net [192.0.2.7])\n  by mx1.example.com with ESMTP\n"
# Courier 1.0.16 leaves out the line with identity.
CHECKED = (
    "Received-SPF: {0} (Address does not pass the Sender Policy Framework)\n  identity={1};\n  SPF={2};\n"
    "  sender=a@example.org;\n  receiver=mx1.example.com;\n"
)
KEY = "s._domainkey.author.example.net"


def checked(result, identity="mailfrom"):
    return CHECKED.format(result, identity, identity.upper())


def text(author="ann@author.example.net", spf=None, signed=None, above=""):
    """A message as Courier hands it over. What `signed` does with it is below Courier's fields."""
    written = f"{above}From: {author}\n{BODY}".encode()
    return ((checked(spf) if spf else "") + RECEIVED).encode() + (signed(written) if signed else written)


@pytest.fixture
def dns():
    return Dns().text(KEY, rsa()[1])


@pytest.fixture
def ask(tmp_path, dns):
    """Filter a message. Returns the verdict and the message as it goes on."""

    def filtered(raw, sender="bounce@author.example.net", recipients=("alice@example.com",), **given):
        kinds = {name: given.pop(name) for name in ("login", "relay", "local", "client", "host") if name in given}
        one = Filter(Settings(**{"host": HOST, "known": addresses(tmp_path)} | given), lambda: dns)
        mail = message(tmp_path, *recipients, sender=sender, text=raw, **kinds)
        verdict = one.check(mail)
        mail.commit()
        return verdict, mail

    return filtered


def field(mail):
    """Our Authentication-Results, in one line."""
    (value, *_others) = mail.values("authentication-results")
    return value


# The matrix. What Courier says of SPF, and what RFC 8601 calls it.
SPF = {
    **{word: word for word in ("pass", "fail", "softfail", "neutral", "none")},
    "unknown": "permerror",
    "error": "temperror",
}
SIGNED = {
    "valid": (lambda raw: sign(raw, "author.example.net"), "pass"),
    "broken body": (lambda raw: sign(raw, "author.example.net").replace(b"Hello", b"Hullo"), "fail"),
    "broken header": (lambda raw: sign(raw, "author.example.net").replace(b"Subject: s", b"Subject: t"), "fail"),
    "wrong key": (lambda raw: sign(raw, "author.example.net", key=rsa(number=1)[0]), "fail"),
    "expired": (lambda raw: sign(raw, "author.example.net").replace(b"; h=", b"; x=1; h=", 1), "fail"),
    "unsigned": (None, "none"),
}
PUBLISHED = {
    "nothing": ({}, None),
    "none": ({"_dmarc.author.example.net": "v=DMARC1; p=none"}, "none"),
    "quarantine": ({"_dmarc.author.example.net": "v=DMARC1; p=quarantine"}, "quarantine"),
    "reject": ({"_dmarc.author.example.net": "v=DMARC1; p=reject"}, "reject"),
    "reject by the organisation": ({"_dmarc.example.net": "v=DMARC1; p=none; sp=reject"}, "reject"),
    "no answer": ({"_dmarc.author.example.net": DEAD}, DEAD),
}
MATRIX = list(itertools.product(SPF, SIGNED, PUBLISHED))


@pytest.mark.parametrize(("spf", "signed", "published"), MATRIX, ids=map(", ".join, MATRIX))
def test_matrix(ask, dns, spf, signed, published):
    change, dkim = SIGNED[signed]
    records, wanted = PUBLISHED[published]
    for name, record in records.items():
        dns.text(name, record)
    verdict, mail = ask(text(spf=spf, signed=change))
    proven = spf == "pass" or dkim == "pass"
    if wanted in (None, DEAD):
        result = "none" if proven or wanted is None else "temperror"
    else:
        result = "pass" if proven else "temperror" if spf == "error" else "fail"
    action, folder = "pass", "alice@example.com"
    if result == "temperror" and wanted != "none":
        action = "defer"
    elif result == "fail" and wanted == "reject":
        action = "refuse"
    elif result == "fail" and wanted == "quarantine":
        folder = "alice-junk@example.com"
    assert (verdict.action, left(mail)) == (action, [folder]), verdict
    said = field(mail)
    assert said.startswith(f"{HOST}; spf={SPF[spf]} smtp.mailfrom=author.example.net; dkim={dkim}")
    assert f"dmarc={result}" in said
    assert "header.from=author.example.net" in said
    assert bool(mail.values("x-spam-flag")) == (folder != "alice@example.com")
    if action == "refuse":
        assert re.match(r"550 5\.7\.26 Nothing proves that author.example.net in From sent this: SPF ", verdict.reply)
    if action == "defer":
        assert verdict.reply.startswith("451 4.4.3 DNS does not say")


def test_only_the_answer_that_matters_is_waited_for(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject").text("s._domainkey.other.example.org", DEAD)
    # Somebody else's signature would prove nothing, with or without an answer.
    verdict, mail = ask(text(signed=lambda raw: sign(raw, "other.example.org")))
    assert (verdict.action, "dkim=temperror" in field(mail)) == ("refuse", True)
    dns.text(KEY, DEAD)
    assert ask(text(signed=lambda raw: sign(raw, "author.example.net")))[0].action == "defer"
    assert ask(text(spf="pass", signed=lambda raw: sign(raw, "author.example.net")))[0].action == "pass"
    assert ask(text(spf="error"), sender="a@example.org")[0].action == "refuse"
    given = {"reject": "report", "quarantine": "report"}
    assert ask(text(signed=lambda raw: sign(raw, "author.example.net")), **given)[0].action == "pass"
    verdict, mail = ask(text(signed=lambda raw: sign(raw, "author.example.net")), no_answer="report")
    assert (verdict.action, "dmarc=temperror (p=reject dis=none" in field(mail)) == ("pass", True)


ALIGNED = {
    "relaxed SPF": ("", "a@mail.author.example.net", True),
    "strict SPF": ("; aspf=s", "a@mail.author.example.net", False),
    "strict SPF of itself": ("; aspf=s", "a@author.example.net", True),
    "SPF of another": ("", "a@example.org", False),
}


@pytest.mark.parametrize(("tags", "sender", "passes"), ALIGNED.values(), ids=ALIGNED)
def test_alignment_of_spf(ask, dns, tags, sender, passes):
    dns.text("_dmarc.author.example.net", f"v=DMARC1; p=reject{tags}")
    assert (ask(text(spf="pass"), sender=sender)[0].action == "pass") == passes


@pytest.mark.parametrize(("tags", "passes"), [("", True), ("; adkim=s", False)])
def test_alignment_of_dkim(ask, dns, tags, passes):
    dns.text("_dmarc.author.example.net", f"v=DMARC1; p=reject{tags}").text("s._domainkey.example.net", rsa()[1])
    assert (ask(text(signed=lambda raw: sign(raw, "example.net")))[0].action == "pass") == passes


def test_notices_have_the_spf_of_their_host(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    host = "mx.author.example.net (mx.author.example.net [192.0.2.7])"
    raw = checked("pass", "helo").encode() + text()
    verdict, mail = ask(raw, sender="", host=host)
    assert (verdict.action, "spf=pass smtp.helo=mx.author.example.net" in field(mail)) == ("pass", True)


def test_what_others_say_of_spf_is_not_believed(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    for above in (f"Old-{checked('pass')}", checked("pass")):
        assert ask(text(above=above))[0].action == "refuse"  # Courier did not look; the field is below its Received
    assert ask(text(spf="fail", above=checked("pass")))[0].action == "refuse"
    # The name of a client that may call himself so.
    helo = checked("pass", "helo").replace("sender=a@example.org", "helo=SPF=mailfrom.example.org")
    assert ask(helo.encode() + text())[0].action == "refuse"
    # What a domain says of its own failure is in the comment.
    liar = checked("fail").replace("Address does", "x) identity=mailfrom; pass (Address does").encode() + text()
    assert ask(liar)[0].action == "refuse"


FOLLOWED = {
    "reject": ({}, "reject", "refuse", False),
    "reject, into Junk": ({"reject": "quarantine"}, "reject", "pass", True),
    "reject, reported": ({"reject": "report"}, "reject", "pass", False),
    "quarantine": ({}, "quarantine", "pass", True),
    "quarantine, reported": ({"quarantine": "report"}, "quarantine", "pass", False),
    "an exception": ({"exceptions": {"author.example.net": "report"}}, "reject", "pass", False),
    "an exception above": ({"exceptions": {"Example.NET": "quarantine"}}, "reject", "pass", True),
    "an exception does not make it harder": ({"exceptions": {"example.net": "quarantine"}}, "none", "pass", False),
    "an exception of others": ({"exceptions": {"ample.net": "report"}}, "reject", "refuse", False),
}


@pytest.mark.parametrize(("given", "wanted", "action", "junk"), FOLLOWED.values(), ids=FOLLOWED)
def test_how_far_a_policy_is_followed(ask, dns, given, wanted, action, junk):
    dns.text("_dmarc.author.example.net", f"v=DMARC1; p={wanted}")
    verdict, mail = ask(text(spf="fail"), **given)
    assert (verdict.action, left(mail) == ["alice-junk@example.com"]) == (action, junk)
    assert "dmarc=fail (p=" in field(mail)


def test_the_field_says_why_something_else_is_done(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=quarantine")
    given = {"exceptions": {"author.example.net": "quarantine"}}
    assert field(ask(text(spf="fail"), **given)[1]).count("(p=quarantine dis=quarantine)") == 1
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    assert "(p=reject dis=quarantine local_policy: exception)" in field(ask(text(spf="fail"), **given)[1])


@pytest.mark.parametrize(("drawn", "action", "junk"), [(19, "refuse", False), (20, "pass", True)])
def test_pct(ask, dns, monkeypatch, drawn, action, junk):
    monkeypatch.setattr(random, "randrange", lambda _most: drawn)
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject; pct=20")
    verdict, mail = ask(text(spf="fail"))
    assert (verdict.action, left(mail) == ["alice-junk@example.com"]) == (action, junk)


OWN = {
    "as published": ({}, "fail", "pass"),
    "refused": ({"own_domains": "refuse"}, "fail", "refuse"),
    "proven": ({"own_domains": "refuse"}, "pass", "pass"),
    "not ours": ({"own_domains": "refuse", "domains": ["example.org"]}, "fail", "pass"),
}


@pytest.mark.parametrize(("given", "spf", "action"), OWN.values(), ids=OWN)
def test_our_own_domains(ask, given, spf, action):
    given = {"domains": ["example.com"]} | given
    verdict, _mail = ask(text("boss@shop.example.com", spf=spf), sender="a@shop.example.com", **given)
    assert (verdict.action, "only we send as that" in verdict.reply) == (action, action == "refuse")


def test_each_author_counts(ask, dns):
    dns.text("_dmarc.bank.example.org", "v=DMARC1; p=reject")
    verdict, mail = ask(text("ann@author.example.net, ceo@bank.example.org", spf="pass"))
    assert (verdict.action, field(mail).count("dmarc=")) == ("refuse", 2)
    assert ask(text("ceo@bank.example.org <ann@author.example.net>", spf="pass"))[0].action == "refuse"
    assert ask(text('"ceo@bank.example.org" <ann@author.example.net>', spf="pass"))[0].action == "pass"


def test_a_from_that_says_nothing_or_too_much(ask):
    two = text("a@example.net\nFrom: b@example.org")
    assert ask(two)[0].reply == "550 5.6.0 there are 2 From fields; write one address of the author"
    assert ask(two, sender="")[0].action == "refuse"
    verdict, mail = ask(two, malformed="report")
    assert (verdict.action, "dmarc=permerror (there are 2 From fields)" in field(mail)) == ("pass", True)
    assert ask(text("Ann"))[0].reply.startswith("550 5.6.0 From has no address")
    assert ask(text("Mail Delivery System"), sender="")[0].action == "pass"
    assert ask(text().replace(b"From: ", b"X-From: "))[0].action == "pass"


SEALED = "list.example.org; dmarc=pass header.from=author.example.net"
SEALS = {
    "believed": (["list.example.org"], SEALED, "pass"),
    "in capitals": (["LIST.example.org."], SEALED, "pass"),
    "not believed": (["other.example.org"], SEALED, "refuse"),
    "nobody is believed": ([], SEALED, "refuse"),
    "of another author": (["list.example.org"], SEALED.replace("author", "another"), "refuse"),
    "the author was not proven": (["list.example.org"], SEALED.replace("=pass", "=fail"), "refuse"),
    "nothing is said": (["list.example.org"], "list.example.org; none", "refuse"),
}


@pytest.mark.parametrize(("believed", "said", "action"), SEALS.values(), ids=SEALS)
def test_sealers(ask, dns, believed, said, action):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject").text("s._domainkey.list.example.org", rsa()[1])
    raw = text(spf="fail", signed=lambda raw: seal(raw, "list.example.org", said))
    verdict, mail = ask(raw, trusted_sealers=[domain.rstrip(".") for domain in believed])
    assert (verdict.action, "arc=pass header.as-d=list.example.org" in field(mail)) == (action, True)
    assert ask(raw.replace(b"Hello", b"Hullo"), trusted_sealers=["list.example.org"])[0].action == "refuse"


def test_one_seal_that_is_not_believed_is_enough(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject").text("s._domainkey.list.example.org", rsa()[1])
    dns.text("s._domainkey.evil.example.org", rsa()[1])

    def twice(raw):
        return seal(seal(raw, "evil.example.org", SEALED), "list.example.org", "list.example.org; arc=pass")

    raw = text(spf="fail", signed=twice)
    assert ask(raw, trusted_sealers=["list.example.org"])[0].action == "refuse"
    assert ask(raw, trusted_sealers=["list.example.org", "evil.example.org"])[0].action == "pass"
    dns.text("s._domainkey.evil.example.org", DEAD)
    assert ask(raw, trusted_sealers=["list.example.org", "evil.example.org"])[0].action == "defer"


FORGED = [
    "mx1.example.com; dmarc=pass",
    "MX1.Example.COM.; dmarc=pass",
    "\n mx1.example.com\n ; dmarc=pass",
    "(hello) mx1.example.com 1; dmarc=pass",
    "(a (b; c) \\) d)\n\t(e)mx1.example.com; dmarc=pass",
    '"mx1.example.com"; dmarc=pass',
    '"mx1.ex\\ample.com"; dmarc=pass',
    "mx1.example.com(x); dmarc=pass",
    "mx2.example.com; dmarc=pass",
    "\uff4dx1.example.com; dmarc=pass",
    "mx1.exam\u00adple.com; dmarc=pass",
    "",
    "; dmarc=pass",
    "(never ends mx1.example.com; dmarc=pass",
]
OTHERS = [
    "mx.example.net; dmarc=pass header.from=mx1.example.com",
    "mx1.example.com.example.net; x",
    "(mx1.example.com) b; c",
]


@pytest.mark.parametrize("value", FORGED)
@pytest.mark.parametrize("kinds", [{}, {"login": "alice@example.com"}])
def test_fields_in_our_name_are_removed(ask, value, kinds):
    kept = "Authentication-Results: mx.example.net; spf=pass\n"
    raw = text(above=f"authentication-RESULTS: {value}\n{kept}")
    _verdict, mail = ask(raw, names=["mx2.example.com"], **kinds)
    rest = mail.values("authentication-results")[0 if kinds else 1 :]
    assert rest == ["mx.example.net; spf=pass"]


@pytest.mark.parametrize("value", OTHERS)
def test_fields_of_others_are_kept(ask, value):
    _verdict, mail = ask(text(above=f"Authentication-Results: {value}\n"))
    assert mail.values("authentication-results")[1:] == [value]


@pytest.mark.parametrize("kinds", [{"relay": True}, {"local": True}])
def test_our_own_machines_are_believed(ask, dns, kinds):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    before = f"Authentication-Results: {HOST}; dmarc=pass\n"
    verdict, mail = ask(text(above=before), **kinds)
    assert (verdict, mail.values("authentication-results")) == (PASS, [f"{HOST}; dmarc=pass"])


def test_what_people_send_is_not_looked_at(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    verdict, mail = ask(text(), login="alice@example.com")
    assert (verdict, mail.values("authentication-results"), dns.asked) == (PASS, [], [])


def test_a_failure_of_what_was_fetched_has_no_consequence(ask, dns):
    """SPF could have passed where it was received. And there is nobody to report on."""
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject; rua=mailto:a@author.example.net")
    verdict, mail = ask(text(), client="127.25.3.4", own_domains="refuse", domains=["author.example.net"])
    assert verdict.action == "pass"
    assert "dmarc=fail (p=reject dis=none local_policy: fetched, SPF is not known)" in field(mail)
    verdict, mail = ask(text(signed=SIGNED["valid"][0]), client="127.25.3.4")
    assert verdict.action == "pass"
    assert "dmarc=pass" in field(mail)


def test_trusted_peers_get_the_field_and_nothing_else(ask, dns, monkeypatch):
    monkeypatch.setattr(authenticate, "is_trusted", lambda client: client == "192.0.2.7")
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=reject")
    verdict, mail = ask(text(spf="fail", above=f"Authentication-Results: {HOST}; dmarc=pass\n"))
    assert verdict.action == "pass"
    assert "dmarc=fail (p=reject dis=none trusted_forwarder" in field(mail)
    assert len(mail.values("authentication-results")) == 1
    assert ask(text("a@example.net\nFrom: b@example.org"))[0].action == "pass"
    dns.text("_dmarc.author.example.net", DEAD)
    assert ask(text())[0].action == "pass"


def test_a_sender_cannot_write_into_the_field(ask):
    odd = '"a; dkim=pass (x"@b(c;d=e).example.net'
    _verdict, mail = ask(text(spf="fail"), sender=odd)
    assert "smtp.mailfrom=b?c?d=e?.example.net" in field(mail).replace('"', "")
    tags = b'DKIM-Signature: v=1; a=x; d=e\xff"(y; s="z;; b=A; bh=A; h=from\n'
    _verdict, mail = ask(text(signed=lambda raw: tags + raw))
    assert _results.server(field(mail)) == HOST
    assert field(mail).count("dkim=") == 1
    own = b"i=@x dkim=pass header.d=bank.example.org"
    _verdict, mail = ask(
        text(signed=lambda raw: sign(raw, "author.example.net").replace(b"i=@author.example.net", own))
    )
    (said,) = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {field(mail)}").results[:-1]
    said = {one.name: one.value for one in said.properties}
    assert (said["d"], said["s"], said["a"]) == ("author.example.net", "s", "rsa-sha256")


def test_names_without_a_dot_have_no_policy(ask, dns):
    verdict, mail = ask(text("probe@localhost"))
    assert (verdict.action, "dmarc=none" in field(mail), dns.asked) == ("pass", True, [])


def test_the_field_is_one_that_others_can_read(ask, dns):
    dns.text("_dmarc.author.example.net", "v=DMARC1; p=none")
    _verdict, mail = ask(text(spf="pass", signed=lambda raw: sign(raw, "author.example.net")))
    header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {field(mail)}")
    assert [(one.method, one.result) for one in header.results] == [
        ("spf", "pass"),
        ("dkim", "pass"),
        ("dmarc", "pass"),
    ]
    first = mail.fields[0]
    assert first.name == "authentication-results"  # above what Courier wrote
    assert max(map(len, first.raw.split(b"\n"))) < 100


def test_what_is_found_is_kept_for_reports(tmp_path, dns):
    dns.text("_dmarc.example.net", "v=DMARC1; p=none; sp=quarantine; rua=mailto:d@example.net")
    one = Filter(
        Settings(host=HOST, known=addresses(tmp_path), reports=True, store=str(tmp_path / "s.sqlite")), lambda: dns
    )

    def passes(verdict, spf="fail", published=True):
        mail = message(tmp_path, text=text(spf=spf), sender="bounce@author.example.net")
        if not published:
            dns.text("_dmarc.example.net")
        one.check(mail)
        one.finish(mail, Outcome(verdict, []))

    passes(PASS)
    passes(defer("451 later"))
    passes(PASS, published=False)
    (kept,) = one._store.results(9e9)
    assert (kept.domain, kept.source) == ("example.net", "192.0.2.7")
    assert kept.data["disposition"] == "quarantine"
    assert (kept.data["author"], kept.data["dkim"], kept.data["spf"]) == ("author.example.net", "fail", "fail")
    assert kept.data["sent"] == ["author.example.net", "mailfrom", "fail"]
    one._store.forget_results("example.net", 9e9)
    assert one._store.results(9e9) == []


SETTINGS = {
    "reject": ({"reject": "refuse"}, "reject is 'refuse'; write reject or quarantine or report"),
    "quarantine": ({"quarantine": "reject"}, "quarantine is 'reject'; write quarantine or report"),
    "own_domains": ({"own_domains": "no"}, "own_domains is 'no'; write report or refuse"),
    "no_answer": ({"no_answer": "accept"}, "no_answer is 'accept'; write defer or report"),
    "malformed": ({"malformed": ""}, "malformed is ''; write refuse or report"),
    "an exception": (
        {"exceptions": {"example.net": "reject"}},
        "exceptions: example.net is 'reject'; write quarantine or",
    ),
    "an address": ({"exceptions": {"a@example.net": "report"}}, "exceptions is 'a@example.net'; write domains such as"),
    "a sealer": ({"trusted_sealers": ["@example.net"]}, "trusted_sealers is '@example.net'; write domains such as"),
    "host": ({"host": "a b"}, "host is 'a b'; write the name of this host"),
    "signatures": ({"signatures": 0}, "signatures is 0; write a number from 1 to 50"),
    "misspelled": ({"rejects": "x"}, "there is no setting rejects; did you mean reject?"),
}


@pytest.mark.parametrize(("given", "complaint"), SETTINGS.values(), ids=SETTINGS)
def test_refuses_settings_without_sense(given, complaint):
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        build(Settings, given)


def test_a_library_that_is_missing_is_noticed_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "nacl.signing", None)
    with pytest.raises(ImportError):
        Filter(Settings(host=HOST))


def test_trust_is_what_smtpaccess_says(monkeypatch):
    package, config = types.ModuleType("courier"), types.ModuleType("courier.config")
    found = {"192.0.2.7": "", "192.0.2.8": "511 no"}
    config.get_smtpaccess_val = lambda key, client: found.get(client) if key == "BLOCK" else None
    package.config = config
    monkeypatch.setitem(sys.modules, "courier", package)
    monkeypatch.setitem(sys.modules, "courier.config", config)
    asked = ["192.0.2.7", "192.0.2.8", "192.0.2.9", ""]
    assert [_origin.is_trusted(client) for client in asked] == [True, False, False, False]


def test_a_removed_field_stays_removed(tmp_path):
    mail = message(tmp_path, text=text(above="X: y\n"))
    number = next(number for number, one in enumerate(mail.fields) if one.name == "x")
    mail.remove_at(number)
    mail.replace(number, b"X: z\n")  # as repair does, which knows nothing of it
    assert mail.commit()
    assert Message(mail.text, mail.controls).values("x") == []
