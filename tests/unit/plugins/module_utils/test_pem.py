from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plugins.module_utils._pem import (
    Certificate,
    PemError,
    blocks,
    certificates,
    covered,
    describe,
    private_key,
    refuse_unfit,
    request,
    without_keys,
)

BODY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n+QNTS8KjRe2i1fzfqpLQlbFySKnr/w==\n"


def block(label: str) -> str:
    return f"-----BEGIN {label}-----\n{BODY}-----END {label}-----\n"


KEY = block("PRIVATE KEY")
CERTIFICATE = block("CERTIFICATE")

KEYS = {
    "alone": KEY,
    "of the older kinds": block("EC PRIVATE KEY"),
    "after the curve that openssl ecparam puts in front": block("EC PARAMETERS") + KEY,
    "before its certificate": KEY + CERTIFICATE,
    "under what openssl pkcs12 remarks": f"Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n{KEY}",
    "with the line ends of Windows": KEY.replace("\n", "\r\n"),
    "without a newline at the end": KEY.rstrip(),
}

NO_KEYS = {
    "none": (CERTIFICATE, "the key must hold one private key in PEM, and it holds none"),
    "cut off": (KEY[:-20], "the key must hold one private key in PEM, and it holds none"),
    "two": (KEY + block("RSA PRIVATE KEY"), "the key must hold one private key in PEM, and it holds 2"),
    "encrypted (PKCS #8)": (
        block("ENCRYPTED PRIVATE KEY"),
        "the key is encrypted, and no daemon can ask for its passphrase; give it without one",
    ),
    "encrypted (RFC 1421)": (
        block("RSA PRIVATE KEY").replace("MFk", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMFk"),
        "the key is encrypted, and no daemon can ask for its passphrase; give it without one",
    ),
}

COVERED = {
    "the name itself": ("mx.example.org", True),
    "in other letters": ("MX.Example.org", True),
    "one label for the wildcard": ("imap.example.net", True),
    "no label for the wildcard": ("example.net", False),
    "two labels for the wildcard": ("a.imap.example.net", False),
    "a subdomain": ("a.mx.example.org", False),
    "another": ("example.org", False),
}

SAID = f"""\
subject=CN=mx.example.org,O=Example\\, DNS:evil.example.com
issuer=CN=R10,O=Let's Encrypt,C=US
notBefore=Nov  4 04:52:58 2026 GMT
notAfter=Feb  2 04:52:57 2027 GMT
serial=04D9
sha256 Fingerprint=A6:E6:18
X509v3 Subject Alternative Name:{" "}
    DNS:MX.example.org, IP Address:192.0.2.1, DNS:*.example.net, email:postmaster@example.org
{block("PUBLIC KEY")}"""

LEAF = Certificate(
    subject="CN=mx.example.org,O=Example\\, DNS:evil.example.com",
    issuer="CN=R10,O=Let's Encrypt,C=US",
    not_before=datetime(2026, 11, 4, 4, 52, 58, tzinfo=UTC),
    not_after=datetime(2027, 2, 2, 4, 52, 57, tzinfo=UTC),
    serial="04D9",
    fingerprint="A6:E6:18",
    names=("mx.example.org", "*.example.net"),
    public_key=block("PUBLIC KEY"),
)
ISSUER = LEAF._replace(subject="CN=R10", names=(), public_key="other")
NOW = datetime(2026, 12, 1, tzinfo=UTC)

UNFIT = {
    "another key": ([LEAF._replace(subject="", public_key="other")], "the key does not belong to the certificate ("),
    "the issuer first": ([ISSUER, LEAF], "the key belongs to certificate 2 of the chain (CN=mx.example.org"),
    "expired": ([LEAF._replace(not_after=NOW)], "expired on 2026-12-01 00:00 UTC"),
    "an issuer that expired": ([LEAF, ISSUER._replace(not_after=NOW)], "(CN=R10) expired on 2026-12-01 00:00 UTC"),
    "not valid yet": (
        [LEAF._replace(not_before=datetime(2027, 1, 1, tzinfo=UTC))],
        "begins only on 2027-01-01 00:00 UTC",
    ),
    "another name": (
        [LEAF._replace(names=("a.example", "b.example"))],
        "the certificate is not for mx.example.org; it covers a.example, b.example",
    ),
    "a common name only": ([LEAF._replace(names=())], "is not for mx.example.org; it covers no host name"),
}


@pytest.mark.parametrize("text", KEYS.values(), ids=KEYS)
def test_finds_the_key(text: str) -> None:
    assert private_key(text, "the key").split("\n", 1)[1].rsplit("-----END", 1)[0] == BODY
    assert private_key(text, "the key").endswith("PRIVATE KEY-----\n")


@pytest.mark.parametrize(("text", "sentence"), NO_KEYS.values(), ids=NO_KEYS)
def test_refuses_what_is_no_key(text: str, sentence: str) -> None:
    with pytest.raises(PemError) as refusal:
        private_key(text, "the key")
    assert str(refusal.value) == sentence


def test_takes_certificates_and_nothing_else_for_a_chain() -> None:
    assert certificates(KEY + CERTIFICATE + block("DH PARAMETERS") + CERTIFICATE, "x") == [CERTIFICATE, CERTIFICATE]
    with pytest.raises(PemError, match=r"^fullchain\.pem holds no certificate in PEM$"):
        certificates(KEY, "fullchain.pem")


@pytest.mark.parametrize("text", [*KEYS.values(), KEY[:-20], block("ENCRYPTED PRIVATE KEY")])
def test_a_diff_shows_no_key(text: str) -> None:
    shown = without_keys(f"before\n{text}\n")
    assert "before\n" in shown
    assert "(private key)" in shown
    assert not blocks(shown, "PRIVATE KEY", "EC PRIVATE KEY")
    assert BODY[:10] not in shown.replace(CERTIFICATE, "").replace(block("EC PARAMETERS"), "")


def test_reads_what_openssl_says() -> None:
    assert describe(SAID) == LEAF


@pytest.mark.parametrize(("name", "is_covered"), COVERED.values(), ids=COVERED)
def test_wildcards_stand_for_one_label(name: str, is_covered: bool) -> None:
    assert covered(name, LEAF.names) is is_covered


def test_lets_a_fit_chain_pass() -> None:
    refuse_unfit(LEAF.public_key, [LEAF, ISSUER], ["mx.example.org", "imap.example.net"], NOW)


@pytest.mark.parametrize(("chain", "words"), UNFIT.values(), ids=UNFIT)
def test_refuses_an_unfit_chain(chain: list[Certificate], words: str) -> None:
    with pytest.raises(PemError) as refusal:
        refuse_unfit(LEAF.public_key, chain, ["mx.example.org"], NOW)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["", "*.example.org", "mx example.org", "mx.example.org\nCN = x", "-a.org", "a..b", "ö.org"]
)
def test_a_self_signed_certificate_is_for_host_names(name: str) -> None:
    with pytest.raises(PemError, match=r"is not a host name$"):
        request(["mx.example.org", name])


def test_a_long_name_is_in_the_subject_alternative_name_only() -> None:
    long = f"{'a' * 63}.example.org"
    assert "CN" not in request([long])
    assert "CN = mx.example.org\n" in request([long, "MX.example.org"])
    assert f"subjectAltName = DNS:{long}, DNS:mx.example.org\n" in request([long, "MX.example.org"])
