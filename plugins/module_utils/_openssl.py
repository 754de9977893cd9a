# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What openssl(1) of the host says of keys and certificates, and makes.

Python's standard library reads no keys, and python3-cryptography is not on every host; openssl is, since
ca-certificates needs it. Keys go through standard input, never through a file or a command line.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ._pem import DESCRIPTION, Certificate, PemError, certificates, describe, request

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# For openssl genpkey, and what openssl pkey then says of the key.
KEY_TYPES = {
    "ec": (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), r"^ASN1 OID: prime256v1$"),
    "rsa": (("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"), r"\(3072 bit\)\nModulus:"),
}


# The keys of DKIM, for openssl genpkey.
DKIM_KEYS = {
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ed25519": ("-algorithm", "ED25519"),
}


class Pair(NamedTuple):
    """A private key and the chain that goes with it, in PEM; the leaf is first."""

    key: str
    chain: Sequence[str]


class OpenSSL:
    """Questions to openssl(1); what it cannot make sense of is a PemError."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def public_key(self, key: str) -> str:
        """The public half of a private key, in PEM."""
        found = self._run("pkey", "-pubout", text=key)
        if found is None:
            raise PemError("openssl cannot read the private key")
        return found

    def key_digest(self, certificate: str) -> str:
        """The SHA-256 of the public key in a certificate, in hexadecimal digits, as TLSA 3 1 1 has it."""
        found = self._run("x509", "-noout", "-pubkey", text=certificate)
        if found is None:
            raise PemError("openssl cannot read the certificate")
        body = "".join(line for line in found.splitlines() if not line.startswith("-"))
        return hashlib.sha256(base64.b64decode(body)).hexdigest()

    def is_of_type(self, key: str, key_type: str) -> bool:
        """Is it what make() makes for this key of KEY_TYPES?"""
        said = self._run("pkey", "-noout", "-text_pub", text=key) or ""
        return bool(re.search(KEY_TYPES[key_type][1], said, re.MULTILINE))

    def describe(self, chain: Sequence[str]) -> list[Certificate]:
        """What is in each certificate of a chain."""
        described = []
        for number, certificate in enumerate(chain, start=1):
            said = self._run("x509", *DESCRIPTION, text=certificate)
            if said is None:
                raise PemError(f"openssl cannot read certificate {number} of the chain")
            described.append(describe(said))
        return described

    def refuse_disorder(self, pems: Sequence[str], chain: Sequence[Certificate]) -> None:
        """Raise PemError unless each certificate is signed by the next."""
        for (signed, certificate), (signer, issuer) in itertools.pairwise(zip(pems, chain, strict=True)):
            with tempfile.NamedTemporaryFile("w", dir=self.module.tmpdir) as trusted:
                trusted.write(signer)
                trusted.flush()
                # Dates are looked at elsewhere, and have a sentence of their own.
                verified = self._run(
                    "verify", "-partial_chain", "-no_check_time", "-trusted", trusted.name, text=signed
                )
            if verified is None:
                raise PemError(
                    f"the chain is not in order: after {certificate.title} must come the certificate that signed it, "
                    f"{certificate.issuer}, and there is {issuer.title}"
                )

    def make(self, names: Sequence[str], key_type: str, days: int) -> Pair:
        """A new key and a certificate that it signs itself, valid from now on."""
        key = self._run("genpkey", *KEY_TYPES[key_type][0])
        if key is None:
            raise PemError("openssl cannot make a private key")
        with tempfile.NamedTemporaryFile("w", dir=self.module.tmpdir) as configuration:
            configuration.write(request(names))
            configuration.flush()
            arguments = ("-x509", "-new", "-sha256", "-days", str(days), "-config", configuration.name)
            certificate = self._run("req", *arguments, "-key", "/dev/stdin", text=key)
        if certificate is None:
            raise PemError("openssl cannot make a certificate")
        return Pair(key, certificates(certificate, "what openssl made"))

    def make_key(self, algorithm: str) -> str:
        """A new private key of DKIM_KEYS."""
        key = self._run("genpkey", *DKIM_KEYS[algorithm])
        if key is None:
            raise PemError(f"openssl cannot make a private key ({algorithm})")
        return key

    def parameter_bits(self, text: str) -> int:
        """The length of Diffie-Hellman parameters in bits, 0 where the text holds none."""
        found = re.search(r"\((\d+) bit\)", self._run("dhparam", "-noout", "-text", text=text) or "")
        return int(found[1]) if found else 0

    def _run(self, *arguments: str, text: str = "") -> str | None:
        """What it printed, or None where it failed. Its complaints are not passed on: they may quote a key."""
        code, stdout, _rest = self.module.run_command(["openssl", *arguments], data=text)
        return str(stdout) if code == 0 else None
