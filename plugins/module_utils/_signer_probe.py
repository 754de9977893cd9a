# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask zdkimfilter to sign and to verify, as submit does.

Without its socket, and without a key that it can read, Courier sends mail on unsigned, and nobody hears of it. So a
message of somebody who has logged in must come back with a signature that verifies, and be believed when a stranger
brings it.
"""

from __future__ import annotations

import importlib
import os
import re
from typing import NamedTuple

from ._filter_probe import QUEUE, hand

KEYS = "/etc/courier/filters/keys"

_TEXT = (
    "From: postmaster@{domain}\nTo: postmaster@{domain}\nSubject: courier.mail asks for a signature\n"
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <probe@{domain}>\nMIME-Version: 1.0\n"
    "Content-Type: text/plain\n\nNothing is wrong with this.\n"
)
# One who has logged in, and one whom nobody knows. zdkimfilter wants all of f, M, u, and i of the first.
_OURS = (
    "spostmaster@{domain}\nfdns; localhost (localhost [192.0.2.1])\ne\nt\nMprobe\nipostmaster@{domain}\n"
    "rpostmaster@{domain}\nR\nN\nOTCPREMOTEIP=192.0.2.1\nORELAYCLIENT\nuauthsmtp\n"
)
_STRANGER = (
    "spostmaster@{domain}\nfdns; localhost (localhost [192.0.2.1])\ne\nt\nMprobe\n"
    "rpostmaster@{domain}\nR\nN\nOTCPREMOTEIP=192.0.2.1\nusmtp\n"
)
_RESULT = re.compile(r"\bdkim\s*=\s*([a-z]+)")


class NotSigned(Exception):
    """What was expected and what came, as the second half of a sentence."""


class _Key(NamedTuple):
    domain: str
    selector: str
    record: str  # as it is to be published

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


def prove_signer(path: str, domain: str, keys: str = KEYS, queue: str = QUEUE) -> str:
    """Say what was proved of whoever listens there. Raises NotSigned and OSError."""
    try:
        # Here, because whoever asks other daemons does without.
        dkim = importlib.import_module("dkim")
    except ImportError as error:
        raise NotSigned("python3-dkim is missing on the host, with which signatures are verified") from error
    if not os.path.exists(path):
        raise NotSigned(
            "there is no socket, so that mail would pass it by, unsigned. zdkimfilter did not start: the journal of "
            "courierfilter says why, such as 'Invalid name X at line N'"
        )
    key = _key(domain, keys)
    signed = _signed(path, domain, queue)
    tags = dict(re.findall(r"([a-z]+)\s*=\s*([^;]*)", _field(signed, "DKIM-Signature")))
    found = (tags.get("d", "").strip().lower(), tags.get("s", "").strip())
    if found != (domain, key.selector):
        raise NotSigned(f"it should sign with {key.selector} of {domain}, and signs with {found[1]} of {found[0]}")
    if "l" in tags:
        raise NotSigned("it signs the length of the text (l=), so that anybody can add to it; set no_signlen")
    if not dkim.verify(_on_the_wire(signed), dnsfunc=lambda *_name, **_options: key.record.encode()):
        raise NotSigned(f"its signature for {domain} does not verify with the record of {key.selector}")
    return f"signs for {domain} with {key.selector}, {_verified(path, key, signed, queue)}"


def _key(domain: str, keys: str) -> _Key:
    """The selector of a domain's key, and the record that goes with it."""
    record = re.sub(r"\.(private|pem)$", "", os.path.realpath(os.path.join(keys, domain))) + ".txt"
    try:
        with open(record, encoding="ascii") as stream:
            return _Key(domain, os.path.basename(record).removesuffix(".txt"), stream.read().strip())
    except OSError as error:
        raise NotSigned(f"the record of the key for {domain} cannot be read in {record}: {error.strerror}") from error


def _signed(path: str, domain: str, queue: str) -> bytes:
    reply, text = hand(path, _TEXT.format(domain=domain).encode(), _OURS.format(domain=domain), queue)
    if not reply.startswith("2"):
        raise NotSigned(f"what somebody of {domain} sends should be signed, and the answer was {reply or 'nothing'!r}")
    if not _field(text, "DKIM-Signature"):
        raise NotSigned(f"what somebody of {domain} sends leaves unsigned; the answer was {reply!r}")
    return text


def _verified(path: str, key: _Key, signed: bytes, queue: str) -> str:
    """Have it verify what it has signed. It asks DNS for the record, which may not be there yet."""
    from . import _dns  # noqa: PLC0415 -- as above

    if _dns.MISSING:
        return "and was not asked to verify that, since python3-dnspython is missing"
    try:
        published = _dns.ask(key.name, "TXT")
    except _dns.NoAnswer as error:
        return f"and was not asked to verify that: {error}"
    if not published:
        return f"which nobody can verify yet: DNS does not have {key.name}"
    if _public(key.record) not in map(_public, published):
        raise NotSigned(f"DNS has another key at {key.name} than the one that signs; publish {key.record}")
    envelope = _STRANGER.format(domain=key.domain)
    reply, text = hand(path, signed, envelope, queue)
    if (result := _result(text)) != "pass":
        raise NotSigned(
            f"a good signature should be dkim=pass, and it is {result or 'not looked at'}; the answer was {reply!r}"
        )
    reply, text = hand(path, signed + b"This was added.\n", envelope, queue)
    if reply.startswith("2") and (result := _result(text)) in ("pass", ""):
        raise NotSigned(f"a broken signature should be dkim=fail, and it is {result or 'not looked at'}")
    return "and verifies"


def _result(text: bytes) -> str:
    match = _RESULT.search(_field(text, "Authentication-Results"))
    return match[1] if match else ""


def _public(record: str) -> str:
    match = re.search(r"\bp=([^;]*)", record)
    return re.sub(r"\s", "", match[1]) if match else ""


def _field(text: bytes, name: str) -> str:
    """The value of the first field of this name, in one line."""
    header = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0].decode("latin-1")
    match = re.search(rf"^{name}[ \t]*:(.*(?:\n[ \t].*)*)", header, re.IGNORECASE | re.MULTILINE)
    return re.sub(r"\s+", " ", match[1]).strip() if match else ""


def _on_the_wire(text: bytes) -> bytes:
    """Courier ends lines with LF, and sends them with CR LF."""
    return re.sub(rb"\r?\n", b"\r\n", text)
