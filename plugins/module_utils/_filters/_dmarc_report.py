# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell domains what was found of mail in their name: aggregate reports of RFC 7489, for those who ask for them."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.message import EmailMessage
from itertools import groupby
from typing import Any, NamedTuple

from ._dmarc import organisational, to_ascii
from ._resolve import Ask, Temporary
from ._store import Result, Store

MOST_ADDRESSES = 5  # of one domain
MOST_BYTES = 10 * 1000 * 1000  # of a report, whatever its addresses take
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_URI = re.compile(r"mailto:([^!?]+)(?:!(\d{1,12})([kmgt]?))?", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_SENDMAIL = "/usr/sbin/sendmail"
_SENDMAIL_SECONDS = 120

Send = Callable[[EmailMessage, Sequence[str]], None]


class Reporter(NamedTuple):
    """Who reports."""

    host: str
    address: str
    own: Sequence[str]  # our domains, to which we do not report


class Address(NamedTuple):
    """Who gets a report."""

    address: str
    most: int  # bytes


class Report(NamedTuple):
    """What is said to a domain."""

    who: Reporter
    domain: str
    found: Sequence[Result]
    until: float

    @property
    def id(self) -> str:
        """The same for the same report, so that it is known again."""
        unique = uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.who.host} {self.domain} {self.until}")
        return f"{unique.hex}@{self.who.host}"


class Done(NamedTuple):
    """What became of the reports for a domain."""

    domain: str
    addresses: Sequence[str]
    said: str  # why nobody got it, if so


def run(store: Store, who: Reporter, ask: Ask, send: Send, dry: bool = False) -> Iterator[Done]:
    """Report everything that was found until now. What cannot be sent now stays for the next time."""
    until = time.time()
    for domain, found in groupby(store.results(until), key=lambda one: one.domain):
        report = Report(who, domain, list(found), until)
        done = _deliver(report, ask, (lambda _letter, _to: None) if dry else send)
        if not dry and not done.said.startswith("later: "):
            store.forget_results(domain, until)
        yield done


def _deliver(report: Report, ask: Ask, send: Send) -> Done:
    domain = report.domain
    if any(organisational(domain) == organisational(to_ascii(own)) for own in report.who.own):
        return Done(domain, [], "it is ours")
    try:
        addresses = list(_agreed(domain, _addresses(report.found[-1].data["policy"].get("rua", "")), ask))
    except Temporary as error:
        return Done(domain, [], f"later: {error}")
    packed = gzip.compress(render(report), mtime=0)
    wanted = [one.address for one in addresses if len(packed) <= min(one.most, MOST_BYTES)]
    if not wanted:
        return Done(domain, [], "nobody there takes it")
    try:
        send(letter(report, packed, wanted), wanted)
    except (OSError, subprocess.SubprocessError) as error:
        return Done(domain, [], f"later: {error}")
    return Done(domain, wanted, "")


def _addresses(rua: str) -> Iterator[Address]:
    for part in rua.split(",")[:MOST_ADDRESSES]:
        match = _URI.fullmatch(part.strip())
        address = urllib.parse.unquote(match[1]) if match else ""
        if match and _ADDRESS.fullmatch(address):
            yield Address(address, int(match[2]) * _UNITS[match[3].lower()] if match[2] else MOST_BYTES)


def _agreed(domain: str, addresses: Iterable[Address], ask: Ask) -> Iterator[Address]:
    """Those that are in the domain's own organisation, or whose own domain agreed to it (RFC 7489, 7.1)."""
    for one in addresses:
        host = one.address.rpartition("@")[2].lower()
        if organisational(host) == organisational(domain) or any(
            re.match(r"v\s*=\s*DMARC1\s*(;|$)", text) for text in ask(f"{domain}._report._dmarc.{host}", "TXT")
        ):
            yield one


def render(report: Report) -> bytes:
    """The report, as appendix C of RFC 7489 has it."""
    who, domain, found, until = report
    published = found[-1].data["policy"]
    root = ET.Element("feedback")
    _put(root, {"version": "1.0"})
    meta = ET.SubElement(root, "report_metadata")
    _put(meta, {"org_name": who.host, "email": who.address, "report_id": report.id})
    _put(ET.SubElement(meta, "date_range"), {"begin": str(int(found[0].at)), "end": str(int(until))})
    policy = {"domain": domain, "adkim": "r", "aspf": "r", "p": "none", "sp": published.get("p", "none"), "pct": "100"}
    _put(ET.SubElement(root, "policy_published"), {name: published.get(name, said) for name, said in policy.items()})
    counted = Counter(json.dumps([one.source, {**one.data, "policy": None}], sort_keys=True) for one in found)
    for row, count in sorted(counted.items()):
        source, data = json.loads(row)
        _record(root, source, count, data)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _record(root: ET.Element, source: str, count: int, data: Mapping[str, Any]) -> None:
    record = ET.SubElement(root, "record")
    row = ET.SubElement(record, "row")
    _put(row, {"source_ip": source, "count": str(count)})
    evaluated = ET.SubElement(row, "policy_evaluated")
    _put(evaluated, {name: data[name] for name in ("disposition", "dkim", "spf")})
    if data["reason"]:
        kind, comment = data["reason"]
        _put(ET.SubElement(evaluated, "reason"), {"type": kind, "comment": comment})
    _put(ET.SubElement(record, "identifiers"), {"envelope_from": data["sender"], "header_from": data["author"]})
    results = ET.SubElement(record, "auth_results")
    for signer, selector, result in data["signatures"]:
        _put(ET.SubElement(results, "dkim"), {"domain": signer, "selector": selector, "result": result})
    sender, scope, result = data["sent"]
    _put(
        ET.SubElement(results, "spf"),
        {"domain": sender, "scope": {"mailfrom": "mfrom"}.get(scope, scope), "result": result},
    )


def letter(report: Report, packed: bytes, to: Sequence[str]) -> EmailMessage:
    """The report as a letter."""
    who, domain, found, until = report
    message = EmailMessage()
    message["From"] = who.address
    message["To"] = ", ".join(to)
    message["Subject"] = f"Report Domain: {domain} Submitter: {who.host} Report-ID: <{report.id}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"This is what {who.host} found of mail in the name of {domain}: an aggregate report of DMARC (RFC 7489).\n"
    )
    name = f"{who.host}!{domain}!{int(found[0].at)}!{int(until)}.xml.gz"
    message.add_attachment(packed, maintype="application", subtype="gzip", filename=name)
    return message


def sendmail(message: EmailMessage, to: Sequence[str]) -> None:
    """Send it without a sender, so that nothing comes back. Raises OSError or SubprocessError."""
    subprocess.run(  # noqa: S603 -- addresses have no blank and no hyphen in front
        [_SENDMAIL, "-i", "-f", "", "--", *to],
        input=bytes(message),
        timeout=_SENDMAIL_SECONDS,
        check=True,
        capture_output=True,
    )


def _put(parent: ET.Element, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        # XML has no place for most control characters.
        ET.SubElement(parent, name).text = re.sub(r"[^\x20-\ud7ff\ue000-\ufffd]", "?", str(text))
