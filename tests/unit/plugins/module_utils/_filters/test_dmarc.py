"""What domains publish for DMARC, and whose a From is."""

import pytest

from plugins.module_utils._filters import _dmarc
from plugins.module_utils._filters._resolve import Temporary
from tests.unit.signed import DEAD, Dns

RUA = "; rua=mailto:dmarc@example.net"
PUBLISHED = {
    "nothing": ([], None),
    "none": (["v=DMARC1; p=none"], "none"),
    "reject": (["v=DMARC1; p=reject"], "reject"),
    "in capitals": (["v=DMARC1;P=Reject"], "reject"),
    "with blanks": (["v = DMARC1 ; p = quarantine ; "], "quarantine"),
    "something else": (["v=spf1 -all"], None),
    "another version": (["v=DMARC2; p=reject"], None),
    "version not first": (["p=reject; v=DMARC1"], None),
    "version is longer": (["v=DMARC11; p=reject"], None),
    "twice": (["v=DMARC1; p=reject", "v=DMARC1; p=none"], None),
    "beside something else": (["v=spf1 -all", "v=DMARC1; p=reject"], "reject"),
    "no policy": (["v=DMARC1"], None),
    "no policy, but reports": (["v=DMARC1" + RUA], "none"),
    "an unknown policy": (["v=DMARC1; p=maybe"], None),
    "an unknown policy, but reports": (["v=DMARC1; p=maybe" + RUA], "none"),
    "an unknown policy below": (["v=DMARC1; p=reject; sp=maybe" + RUA], "none"),
    "something unknown": (["v=DMARC1; p=reject; x=y; nonsense"], "reject"),
    "for others below": (["v=DMARC1; p=none; sp=reject"], "none"),
}


@pytest.mark.parametrize(("texts", "wanted"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_record(texts, wanted):
    found = _dmarc.policy("example.net", Dns().text("_dmarc.example.net", *texts))
    assert (found and found.wanted) == wanted


BELOW = {
    "p": ("v=DMARC1; p=reject", "reject"),
    "sp": ("v=DMARC1; p=reject; sp=none", "none"),
    "np for what is not there": ("v=DMARC1; p=none; sp=quarantine; np=reject", "reject"),
}


@pytest.mark.parametrize(("text", "wanted"), BELOW.values(), ids=BELOW)
def test_a_domain_without_a_record_has_that_of_the_organisation(text, wanted):
    dns = Dns().text("_dmarc.example.co.uk", text)
    found = _dmarc.policy("a.b.example.co.uk", dns)
    assert (found.domain, found.wanted) == ("example.co.uk", wanted)
    assert ("_dmarc.b.example.co.uk", "TXT") not in dns.asked


@pytest.mark.parametrize("kind", ["A", "AAAA", "MX"])
def test_np_is_not_for_what_is_there(kind):
    dns = Dns().text("_dmarc.example.net", "v=DMARC1; p=none; sp=quarantine; np=reject").add("a.example.net", kind, "x")
    assert _dmarc.policy("a.example.net", dns).wanted == "quarantine"


def test_two_records_of_a_domain_are_none_at_all():
    dns = Dns().text("_dmarc.a.example.net", "v=DMARC1; p=none", "v=DMARC1; p=none")
    assert _dmarc.policy("a.example.net", dns.text("_dmarc.example.net", "v=DMARC1; p=reject")) is None


def test_the_rest_of_a_record():
    text = "v=DMARC1; p=reject; adkim=S; aspf=r; pct=20; rua=mailto:a@example.net!10m, https://x.test, mailto:b@x.test"
    found = _dmarc.policy("EXAMPLE.net.", Dns().text("_dmarc.example.net", text))
    assert (found.strict_dkim, found.strict_spf, found.percent) == (True, False, 20)
    assert found.reports == ["mailto:a@example.net!10m", "mailto:b@x.test"]
    odd = Dns().text("_dmarc.example.net", "v=DMARC1; p=reject; pct=abc")
    assert _dmarc.policy("example.net", odd).percent == 100


@pytest.mark.parametrize("name", ["_dmarc.a.example.net", "_dmarc.example.net"])
def test_no_answer(name):
    with pytest.raises(Temporary):
        _dmarc.policy("a.example.net", Dns().text(name, DEAD))


ORGANISATIONS = {
    "example.net": "example.net",
    "a.b.example.net": "example.net",
    "a.b.example.co.uk": "example.co.uk",
    "co.uk": "co.uk",
    "net": "net",
    "shop.bank.test": "bank.test",
    "bank.test": "bank.test",
    "a.b.c.ck": "b.c.ck",
    "a.www.ck": "www.ck",
    "a.xn--bcher-kva.example.xn--p1ai": "example.xn--p1ai",
}


@pytest.mark.parametrize(("domain", "organisation"), ORGANISATIONS.items())
def test_organisations(domain, organisation):
    assert _dmarc.organisational(domain) == organisation


ALIGNED = {
    "itself": ("example.net", True, True),
    "below": ("mail.example.net", True, False),
    "another": ("example.org", False, False),
    "only looks so": ("badexample.net", False, False),
    "the suffix": ("net", False, False),
}


@pytest.mark.parametrize(("other", "relaxed", "strict"), ALIGNED.values(), ids=ALIGNED)
def test_alignment(other, relaxed, strict):
    found = _dmarc.policy("example.net", Dns().text("_dmarc.example.net", "v=DMARC1; p=none"))
    assert (found.aligned("example.net", other, False), found.aligned("example.net", other, True)) == (relaxed, strict)


FROM = {
    "an address": (["ann@example.net"], ["example.net"]),
    "a name and an address": (['"Ann, B." <ann@Example.NET>'], ["example.net"]),
    "an address as a name": (['"ceo@bank.example.org" <ann@example.net>'], ["example.net"]),
    "an address as a name without quotes": (["ceo@example.org <ann@example.net>"], ["example.org", "example.net"]),
    "a comment": (["ann@example.net (not eve@example.org)"], ["example.net"]),
    "two": (["ann@example.net, bob@example.org"], ["example.net", "example.org"]),
    "two of a domain": (["ann@example.net, bob@example.net"], ["example.net"]),
    "a group": (["Us: ann@example.net, bob@example.org;"], ["example.net", "example.org"]),
    "another alphabet": (["x@b\udcc3\udcbccher.example.net"], ["xn--bcher-kva.example.net"]),
    "an encoded name": (["=?utf-8?q?eve=40example=2Eorg?= <ann@example.net>"], ["example.net"]),
    "a name in quotes as local part": (['"a b"@example.net'], ["example.net"]),
    "a source route": (["<@example.org:ann@example.net>"], ["example.net"]),
    "two brackets": (["<ann@example.net> <eve@example.org>"], ["example.net", "example.org"]),
    "nothing": (["Ann"], "From has no address"),
    "empty": ([""], "From has no address"),
    "none": ([], "there is no From"),
    "two fields": (["ann@example.net", "ann@example.net"], "there are 2 From fields"),
    "very many": ([", ".join(f"a@d{n}.example.net" for n in range(30))], "From has addresses in 30 domains"),
}


@pytest.mark.parametrize(("values", "expected"), FROM.values(), ids=FROM)
def test_authors(values, expected):
    found = _dmarc.authors(values)
    assert (found.problem or found.domains) == expected


def test_authors_are_found_where_python_sees_none(monkeypatch):
    # It is strict since 3.13, and says nothing of what is odd.
    monkeypatch.setattr(_dmarc, "getaddresses", lambda _values: [("", "")])
    assert _dmarc.authors(["ceo@example.org <ann@example.net>"]).domains == ["example.org", "example.net"]


def test_comments_a_thousand_deep_stop_nothing():
    assert _dmarc.named("(" * 2000 + "ann@example.net") == []
    assert _dmarc.authors(["(" * 2000 + "ann@example.net"]).domains == ["example.net"]


def test_pct_softens():
    assert [_dmarc.softer(wanted) for wanted in _dmarc.POLICIES] == ["none", "none", "quarantine"]
