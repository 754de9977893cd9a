# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a site need published in DNS, by what the inventory says of them; and the same as zone text.

Knows nothing of DNS. SPF records of others are counted and folded with a function that asks, which the caller brings.
Names are written without the dot at their end, and so are values; TXT is one string without quotes. zone_text() and
rdata() add what a zone wants. RFCs: 1035, 7208 (SPF), 6376 (DKIM), 7489 (DMARC), 8461 (MTA-STS), 8460 (TLS-RPT),
6186 and 8314 (SRV), 8659 (CAA), 7672 (TLSA), 7505 (null MX).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import spf
from .domains import DomainError, to_ascii

TTL = 3600
MTA_STS_MODES = ("none", "testing", "enforce")
# Whose name in CAA goes with an ACME server. Others are told by the operator.
ISSUERS = {
    "acme-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme-staging-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme.zerossl.com": "sectigo.com",
    "dv.acme-v02.api.pki.goog": "pki.goog",
    "api.buypass.com": "buypass.com",
}

# Of RFC 6186 and 8314: the service, its port, and the listener behind it. Nothing ever listens on 110.
SERVICES = (
    ("submission", 587, "submission"),
    ("submissions", 465, "smtps"),
    ("imap", 143, "imap"),
    ("imaps", 993, "imaps"),
    ("pop3", 110, "pop3"),
    ("pop3s", 995, "pop3s"),
)
_PREFERRED, _BACKUP = 10, 20  # of MX
_NOBODY = "v=spf1 -all"
_QUALIFIERS = {"fail": "-all", "softfail": "~all"}
_CLOSED = "0 0 0 ."
_HOST = r"(?P<host>\.|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)\.?"
_NUMBER = "[0-9]{1,5}"
_HEX = "[0-9A-Fa-f]"
_FORMS = {
    "CAA": (re.compile(r'(?P<rest>[0-9]{1,3} [A-Za-z0-9]+) "?(?P<text>[^"]*)"?'), '0 issue "letsencrypt.org"'),
    "CNAME": (re.compile(_HOST), "www.example.com"),
    "MX": (re.compile(rf"(?P<rest>{_NUMBER}) {_HOST}"), "10 mx1.example.com"),
    "PTR": (re.compile(_HOST), "mx1.example.com"),
    "SRV": (re.compile(rf"(?P<rest>{_NUMBER} {_NUMBER} {_NUMBER}) {_HOST}"), "0 1 993 mx1.example.com"),
    "TLSA": (re.compile(rf"(?P<rest>[0-3] [01] [0-2]) (?P<data>{_HEX}+(?: {_HEX}+)*)"), "3 1 1 and the digest in hex"),
}
# Records of which a name may have one, and where they come from.
_ONE_EACH = {"v=spf1": "mail_spf_includes or mail_spf_networks", "v=dmarc1": "mail_dmarc_policy"}
KINDS = ("A", "AAAA", *_FORMS, "TXT")

# What DMARC and TLS reports may be sent to, and what a policy of DMARC may say (RFC 7489, 6.3).
_REPORTS_TO = re.compile(r"mailto:[^@\s,;!]+@(?P<domain>[^@\s,;!]+)(?:![0-9]+[kmgt]?)?|https:[^\s,;]+")
_DMARC = {
    "p": "none|quarantine|reject",
    "sp": "none|quarantine|reject",
    "np": "none|quarantine|reject",
    "adkim": "[rs]",
    "aspf": "[rs]",
    "pct": "100|[0-9]{1,2}",
    "fo": "[01ds](?::[01ds])*",
    "rf": "afrf",
    "ri": "[0-9]{1,9}",
    "rua": None,
    "ruf": None,
}
# Addresses that nobody else can reach. Networks for documentation and benchmarks are left to whoever uses them.
_UNREACHABLE = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::/127",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)


class RecordError(ValueError):
    """What cannot be published, or should not."""


class Record(NamedTuple):
    """One record that shall be there."""

    name: str
    kind: str
    value: str


class Host(NamedTuple):
    """What the inventory says of a host, and the host of itself."""

    name: str
    addresses: Sequence[str] = ()
    domains: Sequence[str] = ()  # whose mailboxes it has
    domain_aliases: Mapping[str, str] = {}
    backup_domains: Sequence[str] = ()
    listeners: Sequence[str] = ()  # smtp, submission, smtps, imap, imaps, pop3s
    satellite: bool = False
    hub: str = ""  # the host of ours that a satellite sends through
    relays: Sequence[str] = ()  # servers of others that take all that goes abroad
    contact: str = ""
    dkim: Sequence[Mapping[str, str]] = ()  # name, text, state
    spf_includes: Sequence[str] = ()
    spf_fold: Sequence[str] = ()
    spf_networks: Sequence[str] = ()
    spf_default: str = "fail"
    dmarc: Mapping[str, Any] = {}
    mta_sts: Mapping[str, Any] = {}
    trusted: bool = True  # whether the world trusts its certificate
    autoconfig: str = ""  # a web server
    silent_domains: Sequence[str] = ()
    dead_domains: Sequence[str] = ()  # whose mail nobody takes
    tarbabies: Sequence[Mapping[str, Any]] = ()  # exchangers that take nothing: host, addresses, preference
    issuers: Sequence[str] = ()
    dnssec: bool = False
    key: str = ""  # SHA-256 of the public key in its certificate, in hex
    extra: Sequence[Mapping[str, str]] = ()


class Sender(NamedTuple):
    """A host that the world sees mail come from, and the domains that its senders are in."""

    host: str
    addresses: Sequence[str]
    domains: Sequence[str]
    keys: Sequence[str] = ()  # names of the DKIM records of the keys that sign


class Site(NamedTuple):
    """All that is to be published."""

    records: list[Record]
    zones: list[str]  # of ours, in which they are
    policies: dict[str, str]  # texts for MTA-STS, by their URL
    senders: list[Sender]
    warnings: list[str]


def compute(
    hosts: Iterable[Host], zones: Iterable[str] = (), ask: spf.Ask | None = None, *, complete: bool = True
) -> Site:
    """The records of a site. Raises RecordError.

    Without ask, SPF records of others are neither counted nor folded. complete is false where hosts have not been
    asked for their addresses and certificates yet, and may be missing.
    """
    return _Site([_clean(host) for host in hosts], zones, ask, complete).published()


def zone_of(name: str, zones: Iterable[str]) -> str:
    """The zone among these that a name is in, or nothing."""
    return max((zone for zone in zones if _below(name, zone)), key=len, default="")


def zone_text(site: Site) -> str:
    """The records as BIND reads them. What is in zones of others stands at the end, as comments."""
    lines = [f"$TTL {TTL}"]
    for zone in site.zones:
        inside = [record for record in site.records if zone_of(record.name, site.zones) == zone]
        lines += ["", f"$ORIGIN {zone}.", *map(_line, inside)]
    outside = [record for record in site.records if not zone_of(record.name, site.zones)]
    if outside:
        lines += ["", "; Wanted in zones of others: ask those who own them, the provider of the addresses for PTR."]
        lines += [f"; {_line(record)}" for record in outside]
    for url, text in site.policies.items():
        lines += ["", f"; What {url} must show:", *(f";   {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


def rdata(kind: str, value: str) -> str:
    """A value as zones and nsupdate want it."""
    if kind == "TXT":
        text = value.encode()
        strings = [text[start : start + 255] for start in range(0, len(text), 255)] or [b""]
        return " ".join(map(_quoted, strings))
    return f"{value}." if kind in ("CNAME", "MX", "PTR", "SRV") and not value.endswith(".") else value


def canonical(kind: str, value: str) -> str:
    """The one spelling of a value, in which two are the same if they are equal. Raises RecordError."""
    if kind == "TXT":
        return value
    if kind in ("A", "AAAA"):
        try:
            return str((ipaddress.IPv4Address if kind == "A" else ipaddress.IPv6Address)(value))
        except ValueError:
            raise RecordError(f"{value!r} is no address for {kind}") from None
    if kind not in _FORMS:
        raise RecordError(f"{kind!r} is no type that is known here; write one of {', '.join(KINDS)}")
    form, example = _FORMS[kind]
    match = form.fullmatch(" ".join(value.split()))
    if not match:
        raise RecordError(f"{value!r} is not what {kind} wants; write it like {example}")
    parts = match.groupdict()
    if kind == "CAA":
        return f'{parts["rest"].lower()} "{parts["text"]}"'
    if kind == "TLSA":
        return f"{parts['rest']} {parts['data'].replace(' ', '').lower()}"
    host = parts["host"].lower() if parts["host"] == "." else _name(parts["host"].removesuffix("."))
    return " ".join(filter(None, (parts.get("rest"), host)))


def tags(text: str) -> dict[str, str]:
    """The tags of DKIM, DMARC, MTA-STS and TLS-RPT: v=DMARC1; p=none."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def mta_sts_policy(mode: str, exchangers: Iterable[str], max_age: int) -> str:
    """The text that a web server shows."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in exchangers), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


def reverse(address: str) -> str:
    """The name of an address in DNS."""
    return ipaddress.ip_address(address).reverse_pointer


class _Site:
    """One computation."""

    def __init__(self, hosts: list[Host], zones: Iterable[str], ask: spf.Ask | None, complete: bool) -> None:
        self._hosts = hosts
        self._by_name = {host.name: host for host in hosts}
        self._ask = ask
        self._complete = complete
        self._records: dict[Record, None] = {}
        self._policies: dict[str, str] = {}
        self._warnings: dict[str, None] = {}
        self._silent = dict.fromkeys(name for host in hosts for name in host.silent_domains)
        self._dead = {name: host for host in hosts for name in host.dead_domains}
        # Domains with mailboxes, and those that are other names of them, with the hosts that have them.
        self._homes: dict[str, list[Host]] = {}
        for host in hosts:
            for name in (*host.domains, *host.domain_aliases):
                self._homes.setdefault(name, []).append(host)
        self._zones = sorted(set(map(_name, zones)) or self._guessed())

    def published(self) -> Site:
        for domain, homes in self._homes.items():
            self._domain(domain, homes)
        for host in self._hosts:
            self._host(host)
        for domain in self._silent:
            if domain not in self._homes:
                self._add(domain, "MX", "0 .")
            self._add(domain, "TXT", _NOBODY)
            self._add(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject")
        for domain, host in self._dead.items():
            self._dead_domain(domain, host)
        for host in self._hosts:
            for tarbaby in host.tarbabies:
                self._tarbaby(tarbaby)
            for record in host.dkim:
                self._dkim(record)
            for record in host.extra:
                self._extra(host, record)
        self._refuse_contradictions()
        return Site(list(self._records), self._zones, self._policies, self._senders(), list(self._warnings))

    def _add(self, name: str, kind: str, value: str) -> None:
        self._records[Record(name, kind, value)] = None

    def _guessed(self) -> set[str]:
        """The domains of the site that are below no other, and what the hosts' names are below."""
        names = {
            *self._homes,
            *self._silent,
            *self._dead,
            *(host.name.partition(".")[2] or host.name for host in self._hosts),
        }
        return {name for name in names if not any(name != other and _below(name, other) for other in names)}

    def _domain(self, domain: str, homes: Sequence[Host]) -> None:
        first = homes[0]
        exchangers = [(_PREFERRED, host.name) for host in homes if "smtp" in host.listeners]
        backups = [host.name for host in self._hosts if domain in host.backup_domains and host not in homes]
        exchangers += [(_BACKUP, name) for name in backups]
        for priority, name in exchangers:
            self._add(domain, "MX", f"{priority} {name}")
        # Alone, they would be a domain's end. MTA-STS does not name them: who heeds it passes them over.
        for tarbaby in [one for host in homes for one in host.tarbabies] if exchangers else []:
            self._add(domain, "MX", f"{tarbaby['preference']} {tarbaby['host']}")
        if domain not in self._silent:
            ways, networks, includes = self._ways(domain)
            addresses = [address for host in ways for address in host.addresses]
            self._add(domain, "TXT", self._spf(domain, [*addresses, *networks], includes, first))
            self._dmarc(domain, first)
        for service, port, listener in SERVICES:
            open_at = [host.name for host in homes if listener in host.listeners]
            values = [f"0 1 {port} {name}" for name in open_at] or [_CLOSED]
            for value in values:
                self._add(f"_{service}._tcp.{domain}", "SRV", value)
        if first.autoconfig:
            self._add(f"autoconfig.{domain}", "CNAME", first.autoconfig)
            self._add(f"autodiscover.{domain}", "CNAME", first.autoconfig)
            self._add(f"_autodiscover._tcp.{domain}", "SRV", f"0 1 443 {first.autoconfig}")
        if first.contact:
            self._add(f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; rua=mailto:{first.contact}")
        if first.mta_sts:
            self._mta_sts(domain, first, [name for _priority, name in exchangers])

    def _dead_domain(self, domain: str, host: Host) -> None:
        if domain in self._homes:
            raise RecordError(
                f"mail_dead_domains of {host.name} has {domain}, which has mailboxes; take it out of one of them"
            )
        if not host.tarbabies:
            raise RecordError(
                f"mail_dead_domains of {host.name} has {domain}, and there is no exchanger that takes nothing; write "
                "mail_tarbaby, or say in mail_silent_domains that it has none"
            )
        for tarbaby in host.tarbabies:
            self._add(domain, "MX", f"{tarbaby['preference']} {tarbaby['host']}")
        self._add(domain, "TXT", _NOBODY)
        self._add(f"_dmarc.{domain}", "TXT", "v=DMARC1; p=reject")

    def _tarbaby(self, tarbaby: Mapping[str, Any]) -> None:
        """Where it is. It sends nothing."""
        name = tarbaby["host"]
        if name in self._by_name:
            return
        for address in tarbaby["addresses"]:
            if not _is_unreachable(address):
                self._add(name, "A" if ":" not in address else "AAAA", address)
            elif self._complete:
                raise RecordError(f"the tarbaby {name} has {address}, which the world cannot reach; write another")
        self._add(name, "TXT", _NOBODY)

    def _dmarc(self, name: str, settings: Host) -> None:
        policy = {key: str(value) for key, value in settings.dmarc.items() if value is not None}
        policy.setdefault("p", "quarantine" if self._is_signed(name) else "none")
        if settings.contact:
            policy.setdefault("rua", f"mailto:{settings.contact}")
        order = {key: policy[key] for key in _DMARC if policy.get(key)}
        self._add(f"_dmarc.{name}", "TXT", "; ".join(["v=DMARC1", *(f"{key}={text}" for key, text in order.items())]))
        for address in ",".join((order.get("rua", ""), order.get("ruf", ""))).split(","):
            match = _REPORTS_TO.fullmatch(address.strip())
            there = match["domain"] if match else None
            if there and not _below(name, _name(there)) and not _below(_name(there), name):
                # Others take no reports about somebody unless they say so (RFC 7489, 7.1).
                self._add(f"{name}._report._dmarc.{_name(there)}", "TXT", "v=DMARC1")

    def _is_signed(self, name: str) -> bool:
        """Whether a key signs for a name, or for what it is below, which DMARC takes for the same."""
        keys = [one["name"].partition("._domainkey.")[2] for host in self._hosts for one in host.dkim if _signs(one)]
        return any(_below(name, domain) for domain in keys)

    def _ways(self, domain: str) -> tuple[list[Host], list[str], list[str]]:
        """The hosts that mail from a domain leaves us by; networks and records of others who send it too."""
        directly: dict[str, Host] = {}
        networks: dict[str, None] = {}
        includes: dict[str, None] = {}
        for host in self._hosts:
            # A satellite sends as its own name, and as the domain that it is in (role courier_mta).
            own = (host.name.partition(".")[2],) if host.satellite else (*host.domains, *host.domain_aliases)
            if domain not in own:
                continue
            last = self._last(host)
            if not last.relays:
                directly[last.name] = last
            elif not last.spf_includes:
                self._warnings[
                    f"{last.name} sends through {', '.join(last.relays)}, and no SPF record says so; "
                    "write the name that the provider tells to include as mail_spf_includes of this host"
                ] = None
            networks |= dict.fromkeys(last.spf_networks)
            includes |= dict.fromkeys(last.spf_includes)
        return list(directly.values()), list(networks), list(includes)

    def _last(self, host: Host) -> Host:
        """The host of ours that mail of a host leaves us by."""
        seen = [host]
        while (hub := self._next(seen[-1])) and hub not in seen:
            seen.append(hub)
        return seen[-1]

    def _next(self, host: Host) -> Host | None:
        return next((self._by_name[name] for name in (host.hub, *host.relays) if name in self._by_name), None)

    def _spf(self, name: str, networks: Iterable[str], includes: Sequence[str], settings: Host) -> str:
        folded, kept = [*networks], []
        for include in includes:
            if include in settings.spf_fold and self._ask:
                found = spf.expand(include, self._ask)
                if found.left_out:
                    raise RecordError(
                        f"the SPF record of {include} cannot be folded into that of {name}, because it has "
                        f"{', '.join(found.left_out)}; take it out of mail_spf_fold"
                    )
                folded += found.networks
            else:
                kept.append(include)
        text = spf.render(folded, kept, _QUALIFIERS[settings.spf_default])
        if self._ask or len(kept) > spf.MOST_LOOKUPS:
            spf.refuse_many(name, text, self._ask)
        return text

    def _mta_sts(self, domain: str, settings: Host, exchangers: Sequence[str]) -> None:
        mode, web = settings.mta_sts["mode"], settings.mta_sts["host"]
        for name in exchangers:
            if mode == "enforce" and not self._by_name[name].trusted:
                raise RecordError(
                    f"mail_mta_sts of {domain} is enforce, and the certificate of {name} is signed by nobody whom the "
                    "world trusts, so that no mail would come; get one (certificates_source), or write testing"
                )
        text = mta_sts_policy(mode, exchangers, int(settings.mta_sts.get("max_age", 604800)))
        # Senders read the policy again when this changes, so it changes with the policy, and with nothing else.
        policy_id = hashlib.sha256(text.encode()).hexdigest()[:20]
        self._add(f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={policy_id}")
        self._add(f"mta-sts.{domain}", "CNAME", web)
        self._policies[f"https://mta-sts.{domain}/.well-known/mta-sts.txt"] = text

    def _host(self, host: Host) -> None:
        for address in self._reachable(host):
            self._add(host.name, "A" if ":" not in address else "AAAA", address)
            if not host.satellite:
                self._add(reverse(address), "PTR", host.name)
        if host.satellite:
            if host.hub:
                self._add(host.name, "MX", f"{_PREFERRED} {host.hub}")
            self._sender_name(host)
        elif host.name not in self._homes:
            # Its own name is what it says in HELO, and where its programs' mail is from.
            if host.relays:
                self._sender_name(host)
            else:
                self._add(host.name, "TXT", f"v=spf1 a {_QUALIFIERS[host.spf_default]}")
                self._covered(host)
        for issuer in host.issuers:
            self._add(host.name, "CAA", f'0 issue "{issuer}"')
        if host.dnssec and "smtp" in host.listeners:
            if not host.key and self._complete:
                raise RecordError(
                    f"{host.name} has no certificate whose key TLSA could name; run the playbook site first"
                )
            if host.key:
                self._add(f"_25._tcp.{host.name}", "TLSA", f"3 1 1 {host.key}")

    def _sender_name(self, host: Host) -> None:
        last = self._last(host)
        # Also where others take what goes abroad: to our own hosts it goes straight, with reports that nobody signs.
        addresses = [address for address in last.addresses if not _is_unreachable(address)]
        self._add(host.name, "TXT", self._spf(host.name, [*addresses, *last.spf_networks], last.spf_includes, host))
        self._covered(host)

    def _covered(self, host: Host) -> None:
        """The policy of a domain holds for all names below it. A host elsewhere has its own."""
        if not any(_below(host.name, domain) for domain in self._homes):
            self._dmarc(host.name, host)

    def _reachable(self, host: Host) -> list[str]:
        if not host.addresses and self._complete and not host.satellite:
            raise RecordError(f"{host.name} has no address that is known; write mail_addresses of this host")
        found = []
        for address in host.addresses:
            if not _is_unreachable(address):
                found.append(address)
            elif not host.satellite and self._complete:
                raise RecordError(
                    f"{host.name} has {address}, which the world cannot reach; "
                    "write the addresses that it is seen with as mail_addresses of this host"
                )
        return found

    def _dkim(self, record: Mapping[str, str]) -> None:
        name = _name(record["name"])
        selector, separator, domain = name.partition("._domainkey.")
        if not separator or not selector or not domain:
            raise RecordError(f"{record['name']!r} is no name of a DKIM key; write SELECTOR._domainkey.DOMAIN")
        self._add(name, "TXT", record["text"])

    def _extra(self, host: Host, record: Mapping[str, str]) -> None:
        try:
            star = "*." if record["name"].startswith("*.") else ""
            name = star + _name(record["name"].removeprefix(star).removesuffix("."))
            value = canonical(record["type"], record["value"])
        except RecordError as error:
            raise RecordError(f"dns_extra of {host.name}: {error}") from None
        texts = [one.value.lower() for one in self._records if (one.name, one.kind) == (name, "TXT")]
        for prefix, instead in _ONE_EACH.items():
            rivals = [text for text in texts if text.startswith(prefix) and text != value.lower()]
            if record["type"] == "TXT" and value.lower().startswith(prefix) and rivals:
                raise RecordError(
                    f"dns_extra of {host.name}: {name} would have two records that begin with {prefix}, "
                    f"and receivers would heed none; write what it says as {instead}"
                )
        self._add(name, record["type"], value)

    def _refuse_contradictions(self) -> None:
        kinds: dict[str, set[str]] = {}
        for record in self._records:
            kinds.setdefault(record.name, set()).add(record.kind)
        for name, found in kinds.items():
            others = sorted(found - {"CNAME"})
            if "CNAME" in found and others:
                raise RecordError(
                    f"{name} is another name of a host (CNAME) and has {', '.join(others)} too, "
                    "which DNS does not allow; keep one of them"
                )

    def _senders(self) -> list[Sender]:
        domains: dict[str, list[str]] = {}
        for domain in self._homes:
            if domain not in self._silent:
                for host in self._ways(domain)[0]:
                    domains.setdefault(host.name, []).append(domain)
        keys = list(dict.fromkeys(one["name"] for host in self._hosts for one in host.dkim if _signs(one)))
        return [
            Sender(host.name, list(host.addresses), domains.get(host.name, []), keys)
            for host in self._hosts
            if not host.satellite and not host.relays
        ]


def _clean(host: Host) -> Host:
    """The host with names in one spelling. Raises RecordError for what makes no sense."""
    who = host.name
    try:
        cleaned = host._replace(
            name=_name(host.name),
            addresses=list(map(_address, host.addresses)),
            domains=list(map(_name, host.domains)),
            domain_aliases={_name(alias): _name(domain) for alias, domain in host.domain_aliases.items()},
            backup_domains=list(map(_name, host.backup_domains)),
            hub=_name(host.hub) if host.hub else "",
            spf_includes=_named("mail_spf_includes", host.spf_includes),
            spf_fold=_named("mail_spf_fold", host.spf_fold),
            spf_networks=_spf_networks(host.spf_networks),
            autoconfig=_named("mail_autoconfig_host", [host.autoconfig])[0] if host.autoconfig else "",
            silent_domains=_named("mail_silent_domains", host.silent_domains),
            dead_domains=_named("mail_dead_domains", host.dead_domains),
            tarbabies=list(map(_checked_tarbaby, host.tarbabies)),
            issuers=_named("mail_caa_issuers", host.issuers),
            mta_sts=_checked_mta_sts(host.mta_sts),
            dmarc=_checked_dmarc(host.dmarc),
        )
    except RecordError as error:
        raise RecordError(f"{who}: {error}") from None
    foreign = [name for name in cleaned.spf_fold if name not in cleaned.spf_includes]
    if foreign:
        raise RecordError(f"{who}: mail_spf_fold has {foreign[0]}, which is not in mail_spf_includes; add it there")
    if cleaned.spf_default not in _QUALIFIERS:
        raise RecordError(f"{who}: mail_spf_default is {cleaned.spf_default!r}; write one of {', '.join(_QUALIFIERS)}")
    return cleaned


def _checked_tarbaby(given: Mapping[str, Any]) -> Mapping[str, Any]:
    preference = str(given["preference"])
    if not preference.isdigit() or not _BACKUP < int(preference) <= 65535:
        raise RecordError(
            f"preference of mail_tarbaby is {preference}; write a number from {_BACKUP + 1} to 65535, "
            "so that it is asked after all that take mail"
        )
    return {
        "host": _named("host of mail_tarbaby", [given["host"]])[0],
        "addresses": list(map(_address, given["addresses"])),
        "preference": int(preference),
    }


def _checked_mta_sts(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not given:
        return {}
    mode, age = given.get("mode"), given.get("max_age", 604800)
    if mode not in MTA_STS_MODES:
        raise RecordError(f"mode of mail_mta_sts is {mode!r}; write one of {', '.join(MTA_STS_MODES)}")
    if not given.get("host"):
        raise RecordError(
            "mail_mta_sts has no host; write the name of the web server that shows the policy, "
            "since senders heed no policy that they cannot read"
        )
    # RFC 8461, 3.2
    if not re.fullmatch("[0-9]{1,8}", str(age)) or not 86400 <= int(age) <= 31557600:
        raise RecordError(f"max_age of mail_mta_sts is {age!r}; write seconds, from 86400 (a day) to 31557600 (a year)")
    return {"mode": mode, "host": _named("host of mail_mta_sts", [given["host"]])[0], "max_age": int(age)}


def _checked_dmarc(given: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in given.items():
        if key not in _DMARC:
            raise RecordError(f"mail_dmarc_policy has {key!r}, which DMARC does not know; write {', '.join(_DMARC)}")
        if value is None or value == "":
            continue
        form = _DMARC[key]
        if form and not re.fullmatch(form, str(value)):
            raise RecordError(f"{key} of mail_dmarc_policy is {value!r}; it must match {form}")
        if not form and not all(_REPORTS_TO.fullmatch(one.strip()) for one in str(value).split(",")):
            raise RecordError(
                f"{key} of mail_dmarc_policy is {value!r}; write mailto:user@example.com, with commas between several"
            )
    return given


def _spf_networks(networks: Iterable[str]) -> list[str]:
    found = []
    for network in networks:
        try:
            found.append(str(ipaddress.ip_network(network)))
        except ValueError as error:
            raise RecordError(f"mail_spf_networks has {network!r}, which is no network: {error}") from None
    return found


def _named(variable: str, names: Iterable[str]) -> list[str]:
    try:
        return list(map(_name, names))
    except RecordError as error:
        raise RecordError(f"{variable}: {error}") from None


def _name(text: str) -> str:
    try:
        return to_ascii(text)
    except DomainError as error:
        raise RecordError(str(error)) from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise RecordError(f"mail_addresses has {text!r}, which is no address") from None


def _is_unreachable(address: str) -> bool:
    """Whether the world cannot reach an address."""
    return any(ipaddress.ip_address(address) in network for network in _UNREACHABLE)


def _signs(record: Mapping[str, str]) -> bool:
    return record.get("state", "active") == "active"


def _below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _line(record: Record) -> str:
    return f"{record.name}. IN {record.kind} {rdata(record.kind, record.value)}"


def _quoted(text: bytes) -> str:
    return '"' + "".join(map(_character, text)) + '"'


def _character(byte: int) -> str:
    if chr(byte) in '"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}"
