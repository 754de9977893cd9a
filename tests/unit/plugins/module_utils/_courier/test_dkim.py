"""Selectors, records and keys of DKIM, and signing.json."""

from __future__ import annotations

import datetime
import subprocess

import pytest

from plugins.module_utils._courier.dkim import (
    DkimError,
    Key,
    Retired,
    Signing,
    domain,
    given,
    is_published,
    kind,
    newest,
    parse,
    record,
    refuse_prefix,
    render,
    stem,
)
from plugins.module_utils._pem import PemError

DAY = datetime.date(2026, 1, 31)


def openssl(*arguments, text=None):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, input=text).stdout


@pytest.fixture(scope="module")
def keys():
    """A private key of each kind, in PEM."""
    rsa = openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    return {
        "rsa": rsa,
        "PKCS #1": openssl("pkey", "-traditional", text=rsa),
        "short": openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        "ed25519": openssl("genpkey", "-algorithm", "ED25519"),
        "ec": openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "sec1": openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"),
        "ed448": openssl("genpkey", "-algorithm", "ED448"),
        "encrypted": openssl("pkey", "-aes256", "-passout", "pass:x", text=rsa),
        "public": openssl("pkey", "-pubout", text=rsa),
        "cut off": "\n".join([*rsa.splitlines()[:-5], rsa.splitlines()[-1]]) + "\n",
        "no base64": "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n",
        "nothing": "",
        "a certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    }


@pytest.mark.parametrize(("name", "algorithm"), [("rsa", "rsa"), ("PKCS #1", "rsa"), ("ed25519", "ed25519")])
def test_takes_a_key(keys, name, algorithm):
    assert kind(keys[name], "it") == algorithm


def entry(text, selector="s1", of="example.com"):
    return {"domain": of, "selector": selector, "private_key": text}


REFUSED_KEYS = {
    "short": "the DKIM key s1 of example.com has 1024 bits, which others do not believe; write one of 2048 or more",
    "ec": "is of a kind that DKIM does not have; write an RSA or an Ed25519 key",
    "sec1": "is of a kind that DKIM does not have",
    "ed448": "is of a kind that DKIM does not have",
    "encrypted": "the DKIM key s1 of example.com is encrypted",
    "public": "must hold one private key in PEM, and it holds none",
    "cut off": "cannot be read; write a private key in PEM",
    "no base64": "cannot be read; write a private key in PEM",
    "nothing": "must hold one private key in PEM, and it holds none",
    "a certificate": "must hold one private key in PEM, and it holds none",
}


@pytest.mark.parametrize(("name", "said"), REFUSED_KEYS.items(), ids=REFUSED_KEYS)
def test_refuses_a_key(keys, name, said):
    with pytest.raises((DkimError, PemError)) as refused:
        given([entry(keys[name])], ["example.com"])
    assert said in str(refused.value)
    assert "MII" not in str(refused.value)


REFUSED_ENTRIES = {
    "a selector with a dot": ([("s.1", "example.com")], "the selector 's.1' of example.com is not a label of DNS"),
    "a selector with a blank": ([("s 1", "example.com")], "not a label"),
    "a selector that begins with a hyphen": ([("-s", "example.com")], "not a label"),
    "no selector": ([("", "example.com")], "not a label"),
    "a selector that is too long": ([("s" * 64, "example.com")], "not a label"),
    "another domain": (
        [("s", "example.org")],
        "is for a domain that does not sign here; those that do are example.com",
    ),
    "a domain that is none": ([("s", "exam ple.com")], "a domain that signs: 'exam ple.com'"),
    "a selector twice": ([("s", "example.com"), ("S", "example.com")], "is there twice"),
    "a kind twice": ([("s", "example.com"), ("t", "example.com")], "has two ed25519 keys, s and t; keep one"),
}


@pytest.mark.parametrize(("entries", "said"), REFUSED_ENTRIES.values(), ids=REFUSED_ENTRIES)
def test_refuses_an_entry(keys, entries, said):
    with pytest.raises(DkimError) as refused:
        given([entry(keys["ed25519"], selector, of) for selector, of in entries], ["example.com"])
    assert said in str(refused.value)


def test_takes_one_key_of_each_kind(keys):
    both = [entry(keys["rsa"], "r"), entry(keys["ed25519"], "e", "EXAMPLE.com")]
    assert [(one.domain, one.selector, one.algorithm) for one in given(both, ["example.com"])] == [
        ("example.com", "r", "rsa"),
        ("example.com", "e", "ed25519"),
    ]


@pytest.mark.parametrize("prefix", ["", "mx_1", "mx.1", "-a", "a" * 46, "ä"])
def test_refuses_a_prefix(prefix):
    with pytest.raises(DkimError, match="cannot begin a selector"):
        refuse_prefix(prefix)


def test_the_longest_prefix_makes_a_label():
    prefix = "a" * 45
    refuse_prefix(prefix)
    assert len(f"{stem(prefix, DAY, [f'{prefix}-20260131-rsa'])}-ed25519") == 63


def test_pairs_of_one_day_differ():
    assert stem("mx1", DAY, []) == "mx1-20260131"
    assert stem("mx1", DAY, ["mx1-20260131-rsa"]) == "mx1-20260131b"
    assert stem("mx1", DAY, ["mx1-20260131-rsa", "mx1-20260131b-ed25519"]) == "mx1-20260131c"
    with pytest.raises(DkimError, match="too many"):
        stem("a", DAY, [f"a-20260131{letter}-rsa" for letter in ["", *"bcdefghijklmnopqrstuvwxyz"]])


@pytest.mark.parametrize(
    ("name", "spelled"), [("Example.COM", "example.com"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_a_domain_is_spelled_as_in_dns(name, spelled):
    assert domain(name) == spelled


def test_a_wildcard_does_not_sign():
    with pytest.raises(DkimError, match=r"write example\.com"):
        domain(".example.com")


NEWEST = {
    "one pair": (["a-20260101-rsa", "a-20260101-ed25519"], "a-20260101"),
    "another day": (["a-20260101-rsa", "a-20260101-ed25519", "a-20260201-rsa", "a-20260201-ed25519"], "a-20260201"),
    "the same day": (["a-20260101-rsa", "a-20260101-ed25519", "a-20260101b-rsa", "a-20260101b-ed25519"], "a-20260101b"),
    "half a pair": (["a-20260101-rsa", "a-20260101-ed25519", "a-20260201-rsa"], "a-20260101"),
    "another prefix": (["z-20260101-rsa", "z-20260101-ed25519", "a-20260201-rsa", "a-20260201-ed25519"], "a-20260201"),
    "somebody's": (["s1", "2026"], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize(("selectors", "found"), NEWEST.values(), ids=NEWEST)
def test_the_youngest_pair_is(selectors, found):
    wanted = {one: f"{found}-{one}" for one in ("rsa", "ed25519")} if found else {}
    assert newest(selectors) == wanted


def test_a_record_has_the_public_key(keys):
    rsa = record(openssl("pkey", "-pubout", text=keys["rsa"]), "rsa")
    assert rsa.startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOC")
    # RFC 8463, A.2.
    body = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert (
        record(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n", "ed25519")
        == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    )
    with pytest.raises(PemError):
        record("", "rsa")


PUBLISHED = {
    "as it is": (["v=DKIM1; k=rsa; p=AB+/"], True),
    "without blanks": (["v=DKIM1;k=rsa;p=AB+/"], True),
    "with blanks within": (["v=DKIM1; k=rsa; p=AB +/ "], True),
    "without a kind, which is RSA": (["p=AB+/"], True),
    "among others": (["v=spf1 -all", "v=DKIM1; k=rsa; p=AB+/; t=s"], True),
    "another key": (["v=DKIM1; k=rsa; p=AB"], False),
    "another kind": (["v=DKIM1; k=ed25519; p=AB+/"], False),
    "revoked": (["v=DKIM1; k=rsa; p="], False),
    "nothing": ([], False),
    "no record": (["what?"], False),
}


@pytest.mark.parametrize(("texts", "shown"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_key_is_published(texts, shown):
    assert is_published(texts, "v=DKIM1; k=rsa; p=AB+/") is shown


def test_what_is_written_is_read():
    one, other = Key("a", "rsa", "/a"), Key("b", "ed25519", "/b")
    signing = Signing({"example.com": [one]}, {"example.com": [other]}, {"example.com": [Retired(other, 7)]})
    assert parse(render(signing, "example.com")) == signing
    assert parse(render(Signing({"example.com": [one]}, {}, {"example.com": []}), "example.com")).retired == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"domains": {"example.com": [{}]}}', '{"domains": []}'])
def test_refuses_what_it_has_not_written(text):
    with pytest.raises(DkimError, match="not as this collection writes it"):
        parse(text)
