# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published in DNS, compared with what should be, and looked at as large receivers do.

Knows nothing of DNS: whoever calls brings a function that asks (spf.Ask for each type of records.KINDS, and with the
priority of an MX), and raises NoAnswer where DNS gives no answer, which is never taken for "not there".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from . import spf
from .records import TTL, Record, RecordError, Sender, canonical, rdata, reverse, tags, zone_of

Ask = spf.Ask
NoAnswer = spf.NoAnswer

# What a TXT record is, by how it begins or where it is. Several may be at one name.
_SPF, _DMARC, _DKIM, _MTA_STS, _TLS_RPT, _OTHER = "SPF", "DMARC", "DKIM", "MTA-STS", "TLS-RPT", "TXT"
# What no record is, and a web server shows.
_POLICY = "MTA-STS policy"
_BEGINNINGS = ((r"v=spf1(?: |$)", _SPF), (r"v=dmarc1", _DMARC), (r"v=stsv1", _MTA_STS), (r"v=tlsrptv1", _TLS_RPT))
# What becomes of mail without each of them.
_WITHOUT = {
    "A": "the host is not found",
    "AAAA": "the host is not found over IPv6",
    "PTR": "large receivers refuse what it sends; whoever gave you the address can set it",
    "MX": "its mail goes elsewhere, or nowhere",
    "SRV": "mail programs do not find the server by themselves",
    "CAA": "any authority may sign a certificate for it",
    "TLSA": "who asks for it cannot know our certificate",
    "CNAME": "nobody finds what is shown there",
    _SPF: "receivers cannot tell its mail from forged mail",
    _DMARC: "whoever forges it is not refused",
    _DKIM: "what is signed with this key does not verify",
    _MTA_STS: "senders do not know that they must encrypt",
    _TLS_RPT: "nobody tells us when encryption fails",
    _OTHER: "it was asked for in dns_extra",
}
# Another one beside ours.
_TOO_MANY = {
    "A": "the host does not have this address, as far as the inventory knows (mail_addresses)",
    "AAAA": "the host does not have this address, as far as the inventory knows (mail_addresses)",
    "MX": "that is no host of ours for this domain, and gets its mail",
    "SRV": "mail programs would go there",
    "CAA": "this authority may sign certificates too",
    _SPF: "with two SPF records receivers heed none",
    _DMARC: "with two DMARC records receivers heed none",
    _DKIM: "with two keys under one name it is chance which one is taken",
    _MTA_STS: "with two records senders heed none",
    _TLS_RPT: "with two records senders heed none",
}
# A second value beside the right one does no harm, or is how one key follows another.
_MAY_HAVE_MORE = ("PTR", "TLSA", _OTHER)
_DMARC_DEFAULTS = {"adkim": "r", "aspf": "r", "pct": "100", "fo": "0", "rf": "afrf", "ri": "86400"}


class NoPolicy(Exception):
    """Why no policy of MTA-STS can be read, as the second half of a sentence."""


class Finding(NamedTuple):
    """What is at a name, beside what should be."""

    name: str
    kind: str  # what people call it: a type, or what a TXT record is
    state: str  # ok, missing, different, extra, unanswered
    wanted: list[str]
    published: list[str]
    said: str  # for people: what is there, or what to do
    type: str = "TXT"
    add: Sequence[str] = ()
    remove: Sequence[str] = ()


class Rule(NamedTuple):
    """What a large receiver asks of senders, and whether a host does it."""

    id: str
    host: str
    domain: str
    ok: bool | None  # nothing where it does not apply
    evidence: str
    fix: str


def questions(records: Iterable[Record]) -> list[tuple[str, str]]:
    """What compare() will ask, for those who would rather ask at once."""
    return list(dict.fromkeys((record.name, record.kind) for record in records))


def compare(records: Iterable[Record], ask: Ask, absent: Iterable[str] = ()) -> list[Finding]:
    """One finding for each name and kind. absent are names that shall have no TXT record any more: old keys."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for record in records:
        kind = _kind(record.name, record.value) if record.kind == "TXT" else record.kind
        groups.setdefault((record.name, record.kind, kind), []).append(record.value)
    found = []
    for (name, type_, kind), wanted in groups.items():
        try:
            found.append(_compare(name, type_, kind, wanted, ask))
        except NoAnswer as error:
            found.append(Finding(name, kind, "unanswered", wanted, [], f"{error}; nothing is known of it", type_))
    found += [finding for name in absent if (finding := _left_over(name, ask))]
    return found


def compare_policy(url: str, text: str, read: Callable[[str], str]) -> Finding:
    """Whether a web server shows a policy of MTA-STS where it must be. read says what is shown, or raises NoPolicy."""
    name, wanted = url.split("/")[2], text.splitlines()

    def finding(state: str, said: str, shown: Sequence[str] = ()) -> Finding:
        return Finding(name, _POLICY, state, wanted, list(shown), said)

    try:
        shown = read(url).splitlines()
    except NoPolicy as error:
        return finding("missing", f"show the policy at {url}: {error}; as it is, senders know of none")
    except NoAnswer as error:
        return finding("unanswered", f"{error}; nothing is known of it")
    if _policy_says(shown) == _policy_says(wanted):
        return finding("ok", f"shown: {', '.join(shown)}", shown)
    return finding("different", f"show {', '.join(wanted)} at {url}, and not {', '.join(shown)}", shown)


def _policy_says(lines: Iterable[str]) -> set[tuple[str, str]]:
    pairs = (line.partition(":") for line in lines if line.strip())
    return {(key.strip(), value.strip().lower()) for key, _colon, value in pairs}


def update_text(findings: Iterable[Finding], zones: Sequence[str], server: str = "") -> str:
    """For nsupdate(1): what brings our zones from what is published to what is wanted. Empty where nothing differs."""
    lines: dict[str, list[str]] = {}
    for finding in findings:
        zone = zone_of(finding.name, zones)
        if not zone or not (finding.add or finding.remove):
            continue
        part = lines.setdefault(zone, [])
        if finding.remove and finding.type == "TXT" and re.search(r"(?:^|\.)_", finding.name):
            # Nothing else is at such a name. How the old one was cut into strings is not known.
            part.append(f"update delete {finding.name}. TXT")
            kept = [value for value in finding.published if value not in finding.remove]
            part += [_addition(finding, value) for value in kept]
        else:
            part += [
                f"update delete {finding.name}. {finding.type} {rdata(finding.type, value)}" for value in finding.remove
            ]
        part += [_addition(finding, value) for value in finding.add]
    head = [f"server {server}"] if server and lines else []
    parts = [line for zone, part in lines.items() for line in (f"zone {zone}.", *part, "send")]
    return "".join(f"{line}\n" for line in head + parts)


def sender_rules(senders: Iterable[Sender], records: Sequence[Record], ask: Ask) -> list[Rule]:
    """What Google, Yahoo and Microsoft ask of whoever sends to them, but for TLS, which is not in DNS."""
    found = []
    for sender in senders:
        keys = [record for record in records if record.name in sender.keys]
        found.append(_judged("ptr", sender.host, "", lambda one=sender: _ptr(one, ask)))  # type: ignore[misc]
        found.append(_judged("spf-helo", sender.host, sender.host, lambda one=sender: _spf(one, one.host, ask)))  # type: ignore[misc]
        for domain in sender.domains:
            looks: Mapping[str, Callable[[], tuple[bool | None, str, str]]] = {
                "spf": lambda one=sender, name=domain: _spf(one, name, ask),  # type: ignore[misc]
                "dkim": lambda name=domain, ours=keys: _dkim(name, ours, ask),  # type: ignore[misc]
                "dmarc": lambda name=domain, ours=keys: _dmarc(name, ours, ask),  # type: ignore[misc]
            }
            found += [_judged(rule, sender.host, domain, look) for rule, look in looks.items()]
    return found


def _compare(name: str, type_: str, kind: str, wanted: list[str], ask: Ask) -> Finding:
    there = sorted(value for value in map(_readable(type_), ask(name, type_)) if _is(kind, name, value))
    same = _sameness(kind, name, ask)
    missing = [value for value in wanted if not any(same(value, other) for other in there)]
    extra = [value for value in there if not any(same(value, other) for other in wanted)]
    if type_ == "CNAME" and missing and not there and _leads_to_the_same(name, wanted[0], ask):
        missing = []
    if kind in _MAY_HAVE_MORE and (not missing or kind == _OTHER):
        extra = []
    texts = {kind for _pattern, kind in _BEGINNINGS} | {_DKIM}
    if kind in texts and not missing and len(there) > 1 and not extra:
        extra = there[1:]  # twice the same, in other words

    def finding(state: str, said: str) -> Finding:
        return Finding(name, kind, state, wanted, there, said, type_, missing, extra)

    if not missing and not extra:
        return finding("ok", f"published: {', '.join(there or wanted)}")
    if not missing:
        return finding("extra", f"remove {_list(extra)} from {name}: {_TOO_MANY.get(kind, 'it is not ours')}")
    if not extra:
        return finding("missing", f"add {_list(missing, name, type_)}; without it {_WITHOUT[kind]}")
    return finding("different", f"replace {_list(extra)} by {_list(missing, name, type_)}; as it is, {_WITHOUT[kind]}")


def _left_over(name: str, ask: Ask) -> Finding | None:
    try:
        there = ask(name, "TXT")
    except NoAnswer as error:
        return Finding(name, _DKIM, "unanswered", [], [], f"{error}; nothing is known of it")
    if not there:
        return None
    said = f"remove {_list(there)} from {name}: nothing is signed with this key any more"
    return Finding(name, _DKIM, "extra", [], there, said, "TXT", (), there)


def _leads_to_the_same(name: str, target: str, ask: Ask) -> bool:
    """Addresses instead of another name serve as well."""
    ours = {address for kind in ("A", "AAAA") for address in ask(name, kind)}
    return bool(ours) and ours == {address for kind in ("A", "AAAA") for address in ask(target, kind)}


def _kind(name: str, value: str) -> str:
    if "._domainkey." in name:
        return _DKIM
    return next((kind for pattern, kind in _BEGINNINGS if re.match(pattern, value, re.IGNORECASE)), _OTHER)


def _is(kind: str, name: str, value: str) -> bool:
    known = {kind for _pattern, kind in _BEGINNINGS} | {_DKIM, _OTHER}
    return kind not in known or _kind(name, value) == kind


def _readable(type_: str) -> Callable[[str], str]:
    """What is published may be written in ways that we would not write."""

    def readable(value: str) -> str:
        try:
            return canonical(type_, value)
        except RecordError:
            return value

    return readable


def _sameness(kind: str, name: str, ask: Ask) -> Callable[[str, str], bool]:
    if kind == _SPF:
        return lambda one, other: one == other or _same_senders(name, one, other, ask)
    if kind == _DKIM:
        return lambda one, other: _key(one) == _key(other)
    if kind == _DMARC:
        return lambda one, other: _DMARC_DEFAULTS | _folded(one) == _DMARC_DEFAULTS | _folded(other)
    if kind in (_MTA_STS, _TLS_RPT):
        return lambda one, other: tags(one) == tags(other)
    return lambda one, other: one == other


def _same_senders(name: str, one: str, other: str, ask: Ask) -> bool:
    """Whether two records of SPF let the same networks pass, and say the same of all others."""

    def expansion(text: str) -> tuple[spf.Expansion, str]:
        return spf.expand(name, _with(ask, name, text)), text.lower().split()[-1]

    try:
        return expansion(one) == expansion(other)
    except spf.SpfError:
        return False


def _with(ask: Ask, name: str, text: str) -> Ask:
    """DNS as it would be with another record of SPF."""

    def answers(asked: str, kind: str) -> list[str]:
        return [text] if (asked, kind) == (name, "TXT") else _for_spf(ask)(asked, kind)

    return answers


def _for_spf(ask: Ask) -> Ask:
    """The same answers, but of an MX the name alone."""

    def answers(asked: str, kind: str) -> list[str]:
        found = ask(asked, kind)
        return sorted(value.split()[-1].removesuffix(".") for value in found) if kind == "MX" else found

    return answers


def _key(text: str) -> tuple[str, str]:
    said = tags(text)
    return said.get("k", "rsa").lower(), "".join(said.get("p", "").split())


def _folded(text: str) -> dict[str, str]:
    return {name: "".join(value.lower().split()) for name, value in tags(text).items()}


def _addition(finding: Finding, value: str) -> str:
    return f"update add {finding.name}. {TTL} {finding.type} {rdata(finding.type, value)}"


def _list(values: Sequence[str], name: str = "", type_: str = "") -> str:
    return " and ".join(f"{name} {type_} {value}".strip() for value in values)


def _judged(rule: str, host: str, domain: str, look: Callable[[], tuple[bool | None, str, str]]) -> Rule:
    try:
        return Rule(rule, host, domain, *look())
    except NoAnswer as error:
        return Rule(rule, host, domain, False, str(error), "have the resolver answer, and ask again")


def _ptr(sender: Sender, ask: Ask) -> tuple[bool, str, str]:
    for address in sender.addresses:
        names = [name.removesuffix(".").lower() for name in ask(reverse(address), "PTR")]
        if not names:
            return False, f"{address} has no name", f"have the owner of the address set PTR {sender.host} for {address}"
        kind = "AAAA" if ":" in address else "A"
        confirmed = [name for name in names if address in ask(name, kind)]
        if not confirmed:
            said = f"{address} is called {names[0]}, which does not have it"
            return False, said, f"publish {names[0]} {kind} {address}"
        if sender.host not in confirmed:
            said = f"{address} is called {confirmed[0]}, and says {sender.host}"
            return False, said, f"have the owner of the address set PTR {sender.host} for {address}"
    return True, f"{', '.join(sender.addresses)} and {sender.host} lead to each other", ""


def _spf(sender: Sender, domain: str, ask: Ask) -> tuple[bool, str, str]:
    try:
        passing = [ipaddress.ip_network(one) for one in spf.expand(domain, _for_spf(ask)).networks]
    except spf.SpfError as error:
        return False, str(error), f"publish the record that the playbook dns has for {domain}"
    for address in sender.addresses:
        if not any(ipaddress.ip_address(address) in network for network in passing):
            return False, f"{address} does not pass", f"publish the record that the playbook dns has for {domain}"
    return True, f"{', '.join(sender.addresses)} pass", ""


def _keys_of(domain: str, keys: Iterable[Record]) -> Iterator[Record]:
    """Those whose domain is aligned with this one."""
    for record in keys:
        signing = record.name.partition("._domainkey.")[2]
        if domain == signing or domain.endswith(f".{signing}"):
            yield record


def _dkim(domain: str, keys: Sequence[Record], ask: Ask) -> tuple[bool | None, str, str]:
    ours = list(_keys_of(domain, keys))
    if not ours:
        return False, f"nothing signs for {domain}", "choose who signs, mail_signer"
    for record in ours:
        if _key(record.value) not in map(_key, ask(record.name, "TXT")):
            return False, f"{record.name} does not have the key that signs", f"publish {record.name} TXT {record.value}"
    return True, f"{', '.join(record.name.partition('.')[0] for record in ours)} published", ""


def _dmarc(domain: str, keys: Sequence[Record], ask: Ask) -> tuple[bool, str, str]:
    name = found = domain
    policies: list[str] = []
    while "." in name and not policies:
        policies = [text for text in ask(f"_dmarc.{name}", "TXT") if _kind("", text) == _DMARC]
        found, name = name, name.partition(".")[2]
    if len(policies) != 1:
        said = f"{domain} has {'no' if not policies else len(policies)} DMARC record{'s' if policies else ''}"
        return False, said, f"publish the one record that the playbook dns has for _dmarc.{domain}"
    policy = tags(policies[0])
    strict = policy.get("adkim") == "s"
    aligned = [one for one in _keys_of(domain, keys) if not strict or one.name.endswith(f"._domainkey.{domain}")]
    where = f"p={policy.get('p', 'none')} at _dmarc.{found}"
    if not aligned:
        said = f"{where}, and no signature is aligned with {domain}"
        return False, said, f"have {domain} signed, or write adkim r in mail_dmarc_policy"
    return True, f"{where}, and signatures are aligned", ""
