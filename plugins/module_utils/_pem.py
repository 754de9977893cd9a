# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM files of keys and certificates: what is in them, and whether it can serve.

Knows texts only. What cannot be read off the text itself is asked of openssl(1) by the caller, and its answer is read
here. No message of this module holds a key.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

# RFC 7468, section 3; the body is anything but another boundary.
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\n[^-]*?-----END \1-----")
_KEYS = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")

# What openssl x509 is asked, and describe() reads.
DESCRIPTION = (
    *("-noout", "-nameopt", "RFC2253", "-subject", "-issuer", "-startdate", "-enddate", "-serial"),
    *("-fingerprint", "-sha256", "-ext", "subjectAltName", "-pubkey"),
)

# Tells a certificate of ours from one that the site bought or made.
SELF_SIGNED_BY = "self-signed by courier.mail"


class PemError(ValueError):
    """A key or a certificate that a mail server cannot serve, in one sentence."""


class Certificate(NamedTuple):
    """What openssl says of one certificate."""

    subject: str  # RFC 2253
    issuer: str
    not_before: datetime  # UTC
    not_after: datetime
    serial: str  # hexadecimal
    fingerprint: str  # SHA-256, hexadecimal with colons
    names: tuple[str, ...]  # DNS names of the subjectAltName, lower case
    public_key: str  # PEM

    @property
    def title(self) -> str:
        """Its subject, or its names where an authority leaves the subject empty."""
        return self.subject or ", ".join(self.names)

    @property
    def self_signed_by_us(self) -> bool:
        return self.subject == self.issuer and f"O={SELF_SIGNED_BY}" in self.subject.split(",")


def blocks(text: str, *labels: str) -> list[str]:
    """The PEM blocks of a text that carry one of these labels, each with one newline at its end."""
    return [f"{block[0]}\n" for block in _BLOCK.finditer(text.replace("\r\n", "\n")) if block[1] in labels]


def private_key(text: str, what: str) -> str:
    """The one private key of a text; `what` names the text in the refusal."""
    if "-----BEGIN ENCRYPTED PRIVATE KEY-----" in text or re.search(r"^Proc-Type: *4,ENCRYPTED", text, re.MULTILINE):
        raise PemError(f"{what} is encrypted, and no daemon can ask for its passphrase; give it without one")
    keys = blocks(text, *_KEYS)
    if len(keys) != 1:
        raise PemError(f"{what} must hold one private key in PEM, and it holds {len(keys) or 'none'}")
    return keys[0]


def certificates(text: str, what: str) -> list[str]:
    """The certificates of a text, at least one; `what` names the text in the refusal."""
    found = blocks(text, "CERTIFICATE")
    if not found:
        raise PemError(f"{what} holds no certificate in PEM")
    return found


def leaf(text: str, what: str) -> bytes:
    """The first certificate of a text in DER, as a handshake brings it. Raises PemError where there is none."""
    return ssl.PEM_cert_to_DER_cert(certificates(text, what)[0])


def without_keys(text: str) -> str:
    """The text for a diff: every private key replaced by a remark."""
    return re.sub(
        r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", "(private key)", text, flags=re.DOTALL
    )


def describe(said: str) -> Certificate:
    """Read what `openssl x509` printed for the options of DESCRIPTION."""

    def after(beginning: str) -> str:
        match = re.search(rf"^{beginning} *= *(.*)$", said, re.MULTILINE | re.IGNORECASE)
        return match[1] if match else ""

    return Certificate(
        subject=after("subject"),
        issuer=after("issuer"),
        not_before=_moment(after("notBefore")),
        not_after=_moment(after("notAfter")),
        serial=after("serial"),
        fingerprint=after("sha256 Fingerprint"),
        names=tuple(name.lower() for name in re.findall(r"DNS:([^,\s]+)", said.partition("Alternative Name:")[2])),
        public_key=blocks(said, "PUBLIC KEY")[0],
    )


def refuse_unfit(public_key: str, chain: Sequence[Certificate], names: Iterable[str], now: datetime) -> None:
    """Raise PemError unless the chain serves these host names with the key that has this public half.

    Whether each certificate is signed by the next is the caller's question to openssl.
    """
    leaf = chain[0]
    if leaf.public_key != public_key:
        for number, certificate in enumerate(chain[1:], start=2):
            if certificate.public_key == public_key:
                raise PemError(
                    f"the key belongs to certificate {number} of the chain ({certificate.title}); put it first"
                )
        raise PemError(f"the key does not belong to the certificate ({leaf.title})")
    for certificate in chain:
        if certificate.not_after <= now:
            raise PemError(f"the certificate ({certificate.title}) expired on {certificate.not_after:%F %R} UTC")
        if certificate.not_before > now:
            raise PemError(f"the certificate ({certificate.title}) begins only on {certificate.not_before:%F %R} UTC")
    for name in names:
        if not covered(name, leaf.names):
            raise PemError(f"the certificate is not for {name}; it covers {', '.join(leaf.names) or 'no host name'}")


def covered(name: str, patterns: Iterable[str]) -> bool:
    """Does one of a certificate's names hold for this host? A wildcard stands for one whole label (RFC 6125, 6.4.3)."""
    domain = name.lower().partition(".")[2]
    return bool({name.lower(), f"*.{domain}"} & set(patterns))


def request(names: Sequence[str]) -> str:
    """The configuration with which `openssl req -x509` makes a certificate for these host names.

    It is a leaf and not a CA: Mozilla's and rustls' verifiers refuse a CA in a server's place, and OpenSSL, strict or
    not, GnuTLS and Python 3.13 trust a self-signed leaf that they are given as an anchor.
    """
    if not names:
        raise PemError("a self-signed certificate needs names")
    for name in names:
        if not HOST.fullmatch(name.lower()) or len(name) > 253:
            raise PemError(f"{name!r} is not a host name")
    common = next((name for name in names if len(name) <= 64), "")  # X.520 allows no longer one
    return "\n".join(
        [
            "[req]",
            "prompt = no",
            "distinguished_name = name",
            "x509_extensions = extensions",
            "[name]",
            f"O = {SELF_SIGNED_BY}",
            *([f"CN = {common.lower()}"] if common else []),
            "[extensions]",
            "basicConstraints = critical, CA:FALSE",
            "keyUsage = critical, digitalSignature",
            "extendedKeyUsage = serverAuth",
            "subjectKeyIdentifier = hash",
            "authorityKeyIdentifier = keyid:always",
            f"subjectAltName = {', '.join(f'DNS:{name.lower()}' for name in names)}",
            "",
        ]
    )


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)
