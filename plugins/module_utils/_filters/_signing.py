# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign with DKIM (RFC 6376, RFC 8463): which keys there are, and a signature of a message in Courier's queue.

The header's canonical form, the signature itself and its field are those of Debian's python3-dkim. The body is hashed
here, in pieces and once for all signatures, because the library would hold several copies of it in memory. What is
signed is the text as it goes over SMTP: its lines end with CRLF, the last one too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from ._addresses import spelled
from ._message import Field, Message
from ._reread import Missing, Reread
from ._verdict import Down

PATH = "/etc/courier/dkim/signing.json"
_CHUNK = 1 << 18
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s(.*?)-----END", re.DOTALL)
_SEED_BEGIN = bytes.fromhex("302e020100300506032b657004220420")  # PKCS #8 of Ed25519, before the 32 bytes of the key

# Signed once more than they are there, so that nobody adds another: always, since another would be what people see;
ALWAYS = ("from", "reply-to", "subject", "to", "cc")
# where there is one: whoever passes a message on may add those that are missing;
PRESENT = (
    *("sender", "date", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "content-transfer-encoding"),
)
# and as often as they are there: a list adds its own.
AS_THEY_ARE = (
    *("list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post"),
    *("list-owner", "list-archive"),
)


class Key(NamedTuple):
    """A private key."""

    selector: str
    algorithm: str  # rsa or ed25519
    path: str


class Keys:
    """What signs, as signing.json says it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._domains = {
            spelled(domain): (domain, [Key(one["selector"], one["algorithm"], one["key"]) for one in keys])
            for domain, keys in data["domains"].items()
        }
        self._default: str = data["default"]

    def of(self, domain: str) -> tuple[str, Sequence[Key]] | None:
        """The keys of a domain or of the closest one above it, with the name of that in DNS."""
        name = spelled(domain)
        while name:
            if name in self._domains:
                return self._domains[name]
            name = name.partition(".")[2]
        return None

    def default(self) -> tuple[str, Sequence[Key]] | None:
        """The keys for what is from no domain of ours."""
        return self.of(self._default)


class Read:
    """The keys as signing.json has them now."""

    def __init__(self, path: str = PATH) -> None:
        self._read = Reread(path, Keys)

    def __call__(self) -> Keys | None:
        """Nothing where there is no such file: then this host signs nothing. Raises Down where it cannot be read."""
        try:
            return self._read()
        except Missing:
            return None


def sign(message: Message, domain: str, keys: Sequence[Key]) -> list[bytes]:
    """A DKIM-Signature of each key, with its line end. Raises Down for a key that cannot be used."""
    with message.open() as stream:
        stream.seek(message.body)
        digest = body_hash(stream)
    return [signature(message.fields, digest, domain, key) for key in keys]


def signature(fields: Sequence[Field], digest: bytes, domain: str, key: Key) -> bytes:
    """The field for a header and the hash of a body."""
    # Not at the top: the settings of filters are checked where there is no such library.
    from dkim import DKIM
    from dkim.canonicalization import CanonicalizationPolicy

    algorithm = f"{key.algorithm}-sha256".encode()
    names = signed(fields)
    signer = DKIM(signature_algorithm=algorithm, linesep=b"\r\n")
    signer.headers = [[one.name.encode(), _crlf(one.raw.partition(b":")[2])] for one in fields]
    signer.hasher = hashlib.sha256
    said = [
        (b"v", b"1"),
        (b"a", algorithm),
        (b"c", b"relaxed/relaxed"),
        (b"d", domain.encode()),
        (b"s", key.selector.encode()),
        (b"t", str(int(time.time())).encode()),
        (b"h", b" : ".join(name.encode() for name in names)),
        (b"bh", base64.b64encode(digest)),
        (b"b", b"0" * 60),  # as the library does it, so that folding is the same before and after
    ]
    policy = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    value: bytes = signer.gen_header(said, [name.encode() for name in names], policy, b"DKIM-Signature", secret(key))
    return b"DKIM-Signature: " + value.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"


def signed(fields: Sequence[Field]) -> list[str]:
    """The names to be signed, each as often as it shall count."""
    there = [one.name for one in fields]
    names: list[str] = []
    for name in (*ALWAYS, *PRESENT, *AS_THEY_ARE):
        count = there.count(name)
        more = name in ALWAYS or (name in PRESENT and count > 0)
        names += [name] * (count + more)
    return names


def secret(key: Key) -> Any:
    """A private key as the library takes it. Raises Down."""
    from dkim.crypto import UnparsableKeyError, parse_private_key

    try:
        with open(key.path, encoding="ascii") as stream:
            found = _PEM.search(stream.read())
        der = base64.b64decode(found[1]) if found else b""
        if key.algorithm == "rsa":
            return parse_private_key(der)
        from nacl.signing import SigningKey

        if not der.startswith(_SEED_BEGIN):
            raise ValueError("this is no Ed25519 key")
        return SigningKey(der[len(_SEED_BEGIN) :])
    except (OSError, ValueError, LookupError, UnparsableKeyError) as error:
        # What the library says of a key may quote it.
        reason = error.strerror if isinstance(error, OSError) else "this is no key of that kind"
        raise Down(f"the {key.algorithm} key {key.path} cannot be used: {reason}") from None


def body_hash(stream: BinaryIO) -> bytes:
    """The hash of the body that begins here, with the empty line before it, in relaxed form (RFC 6376, 3.4.4)."""
    digest = hashlib.sha256()
    empty = 0  # lines that count when another comes after them
    some = False
    for lines in _body(stream):
        text = _relaxed(lines)
        end = len(text)
        while text.endswith(b"\r\n", 0, end):
            end -= 2
        if end:
            # Without the last line, lines of the piece before have ended with the CRLF that is counted there.
            digest.update(b"\r\n" * empty + text[:end])
            empty, some = 0, True
        empty += (len(text) - end) // 2
    if some:
        digest.update(b"\r\n")
    return digest.digest()


def _body(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of the body in pieces, with CRLF. The empty line that ends the header is not one of them."""
    first = stream.readline(3)
    if first not in (b"\n", b"\r\n"):
        # A body without an empty line before it.
        stream.seek(-len(first), os.SEEK_CUR)
    while lines := stream.read(_CHUNK) + stream.readline():
        yield _crlf(lines)


def _relaxed(lines: bytes) -> bytes:
    # In this order: the library's own, the other way round, takes hours for a megabyte of blanks.
    return re.sub(rb"\t[\t ]*| [\t ]+", b" ", lines).replace(b" \r\n", b"\r\n")


def _crlf(lines: bytes) -> bytes:
    text = lines.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") else text + b"\r\n"
