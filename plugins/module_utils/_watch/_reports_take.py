# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what is in a message, in a child that may not take much, and keep it.

What a stranger writes may be made to break or to choke whatever reads it. So the child has no way to harm anybody: it
writes no files, starts no programs, and when it dies that is counted like any other report that is not taken.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from typing import Any

from . import _reports_arf as arf
from . import _reports_dmarc as dmarc
from . import _reports_mail as mail
from . import _reports_tls as tls
from ._reports_settings import Settings
from ._reports_store import Rejected, Store, Taking
from ._reports_text import Refused, below, text
from ._reports_unpack import unpack, whole

Outcome = dict[str, Any]

_MIB = 1 << 20
_ANSWER_BYTES = 256 * _MIB  # of the child; 100,000 rows take some 20 MiB
_PEEK = 1 << 10
_KINDS = {
    "application/gzip",
    "application/x-gzip",
    "application/gzip-compressed",
    "application/zip",
    "application/x-zip",
    "application/x-zip-compressed",
    "application/octet-stream",
    "application/xml",
    "text/xml",
    "application/json",
    "application/tlsrpt+json",
    "application/tlsrpt+gzip",
}
_ENDINGS = (".xml", ".xml.gz", ".gz", ".zip", ".json", ".json.gz")


def take(raw: bytes | None, settings: Settings, store: Store) -> list[Outcome]:
    """Keep what a message brings, and say what became of it. Raises StoreError where that is not possible now."""
    if raw is None:
        found = [_refusal(Refused("too large", f"the message is larger than {settings.message_bytes} bytes"))]
    else:
        found = apart(lambda: outcomes(raw, settings), settings)
    with store.taking() as taking:
        return [_keep(taking, one) for one in found]


def outcomes(raw: bytes, settings: Settings) -> list[Outcome]:
    """What is in a message: reports, or why it has none that is taken."""
    reporter = kind = ""
    try:
        message = mail.read(raw)
        kind = _kind(message)
        who = mail.sender(message, settings)
        reporter = who.organisation
        if one := arf.parse(message, who, settings):
            return [{"kind": "complaint", "reporter": reporter, "about": one._asdict()}]
        found = [one for part in _candidates(message) for one in _part(part, who, settings)]
        return found or [_refusal(Refused("not a report"), reporter, kind)]
    except Refused as refused:
        return [_refusal(refused, reporter, kind)]
    except (MemoryError, RecursionError) as error:
        return [_refusal(Refused("resources", type(error).__name__), reporter, kind)]
    except Exception as error:  # the library of email raises many
        return [_refusal(Refused("broken", f"{type(error).__name__}: {error}"), reporter, kind)]


def apart(read: Callable[[], list[Outcome]], settings: Settings) -> list[Outcome]:
    """The same in a child that has so much time and memory and no more."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):  # nothing of the parent's may run here again
            os.close(reading)
            _confine(settings)
            answer = json.dumps(read()).encode()
            while answer:
                answer = answer[os.write(writing, answer[:_MIB]) :]
        os._exit(0)
    os.close(writing)
    try:
        answer = _answer(reading, time.monotonic() + 2 * settings.seconds)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        found: list[Outcome] = json.loads(answer)
    except ValueError:  # it died before it was done
        said = f"it took more than {settings.seconds} s or {settings.memory} MiB"
        return [_refusal(Refused("resources", said))]
    return found


def _confine(settings: Settings) -> None:
    with open("/proc/self/statm", "rb") as stream:
        now = int(stream.read().split()[0]) * resource.getpagesize()
    most = now + settings.memory * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (settings.seconds, settings.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _answer(reading: int, until: float) -> bytes:
    found = bytearray()
    while len(found) <= _ANSWER_BYTES:
        ready = select.select([reading], [], [], max(0.0, until - time.monotonic()))[0]
        piece = os.read(reading, _MIB) if ready else b""
        if not piece:
            break
        found += piece
    return bytes(found)


def _kind(message: Message) -> str:
    """What it says that it is, for counting what is refused before anybody looks into it."""
    if arf.is_complaint(message):
        return "complaint"
    said = {str(message.get_param("report-type", "")).lower()}
    said |= {part.get_content_type() for part in mail.parts(message)}
    if said & {"tlsrpt", "application/tlsrpt+gzip", "application/tlsrpt+json"}:
        return "tls"
    return "dmarc" if any(True for _part in _candidates(message)) else ""


def _candidates(message: Message) -> Iterator[Message]:
    for part in mail.parts(message):
        name = str(part.get_filename() or "").lower()
        if part.get_content_type() in _KINDS or name.endswith(_ENDINGS):
            yield part


def _part(part: Message, who: mail.Sender, settings: Settings) -> Iterator[Outcome]:
    kind = ""
    try:
        pieces = unpack(mail.content(part), settings.ratio)
        first = next(pieces, b"")
        start = first[:_PEEK].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start == b"{":
            kind = "tls"
            packed = whole(_joined(first, pieces), settings.json_bytes)
            yield from _tls(tls.parse(packed, settings.rows, settings.depth), who, settings)
        # A text of UTF-16 begins with a mark.
        elif start == b"<" or first[:2] in (b"\xff\xfe", b"\xfe\xff"):
            kind = "dmarc"
            report = dmarc.parse(_joined(first, pieces), settings.xml_bytes, settings.rows, settings.depth)
            yield _dmarc(report, who, settings)
    except Refused as refused:
        yield _refusal(refused, who.organisation, kind)


def _joined(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _dmarc(report: dmarc.Report, who: mail.Sender, settings: Settings) -> Outcome:
    mail.vouch(who, [report.email, report.org], settings)
    if not below(report.domain, settings.own()):
        raise Refused("not ours", f"it is about {report.domain}")
    names = ("org", "id", "domain", "begin", "end", "policy", "skipped")
    about = {name: value for name, value in report._asdict().items() if name in names}
    rows = [[*row, count] for row, count in report.rows.items()]
    return {"kind": "dmarc", "reporter": who.organisation, "about": about, "rows": rows}


def _tls(report: tls.Report, who: mail.Sender, settings: Settings) -> Iterator[Outcome]:
    mail.vouch(who, [report.contact, report.org], settings)
    ours: dict[str, list[tls.Policy]] = {}
    for one in report.policies:
        if below(one.domain, settings.own()):
            ours.setdefault(one.domain, []).append(one)
    if not ours:
        raise Refused("not ours", f"it is about {report.policies[0].domain}")
    about = {name: getattr(report, name) for name in ("org", "id", "begin", "end")}
    for name, policies in ours.items():
        others = sum(one.domain not in ours for one in report.policies)
        yield {
            "kind": "tls",
            "reporter": who.organisation,
            "about": {**about, "domain": name, "skipped": report.skipped + others},
            "policies": [
                {
                    "type": one.type,
                    "good": one.good,
                    "bad": one.bad,
                    "failures": [[*failure, count] for failure, count in one.failures.items()],
                }
                for one in policies
            ],
        }


def _refusal(refused: Refused, reporter: str = "", kind: str = "") -> Outcome:
    return {"kind": kind, "reporter": reporter, "reason": refused.reason, "said": text(refused.said)}


def _keep(taking: Taking, one: Mapping[str, Any]) -> Outcome:
    kind, reporter = one["kind"], one["reporter"]
    refusal = {"reason": one.get("reason", ""), "said": one.get("said", "")}
    if not refusal["reason"]:
        try:
            if kind == "dmarc":
                taking.dmarc(reporter, one["about"], one["rows"])
            elif kind == "tls":
                taking.tls(reporter, one["about"], one["policies"])
            else:
                taking.complaint(reporter, one["about"])
        except Rejected as rejected:
            refusal = {"reason": rejected.reason, "said": text(rejected.said)}
    if refusal["reason"]:
        taking.reject(kind, refusal["reason"], reporter, refusal["said"])
    return {"kind": kind, "reporter": reporter, **refusal}
