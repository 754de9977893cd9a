# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How mail programs set themselves up: under which names they ask, and what they are told.

The programs and their formats are in files/courier_autoconfig.py of the role autoconfig, which reads what this makes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .domains import DomainError, to_ascii
from .records import SERVICES, mta_sts_policy

# Thunderbird asks the first name, Outlook the second; the third is of RFC 8461.
AUTOCONFIG, AUTODISCOVER, MTA_STS = "autoconfig", "autodiscover", "mta-sts"
_PREFERRED = ("imaps", "imap", "pop3s", "smtps", "submission")
_TYPES = {
    "imaps": ("imap", "tls"),
    "imap": ("imap", "starttls"),
    "pop3s": ("pop3", "tls"),
    "smtps": ("smtp", "tls"),
    "submission": ("smtp", "starttls"),
}
_PLAIN = ("PLAIN", "LOGIN")


class Site(NamedTuple):
    """What programs are told of."""

    hostname: str
    domains: Sequence[str]
    listeners: Collection[str]
    methods: Sequence[str]  # of AUTH
    policies: Mapping[str, str] = {}  # of MTA-STS, by domain
    apexes: Sequence[str] = ()


class AutoconfigError(ValueError):
    """What mail programs could not be told, in one sentence."""


def names(domains: Iterable[str], apexes: Iterable[str] = (), *, policies: bool = False) -> list[str]:
    """The names under which programs and servers ask for what concerns domains."""
    prefixes = (AUTOCONFIG, AUTODISCOVER, *((MTA_STS,) if policies else ()))
    return [f"{prefix}.{domain}" for domain in map(_ascii, domains) for prefix in prefixes] + list(map(_ascii, apexes))


def policy(hosts: Iterable[Mapping[str, Any]], domain: str, mta_sts: Mapping[str, Any]) -> str:
    """The policy of MTA-STS of a domain, whose exchangers are hosts with these variables."""
    wanted = _ascii(domain)
    first, second = [], []
    for host in hosts:
        name = _ascii(str(host.get("mail_hostname") or host["inventory_hostname"]))
        if host.get("mail_smarthost") or "smtp" not in host.get("courier_mta_listeners", ("smtp",)):
            continue
        has = host.get("courier_mta_domains", host.get("mail_domains", ()))
        also = host.get("courier_mta_domain_aliases", host.get("mail_domain_aliases", {}))
        if wanted in map(_ascii, (*has, *also)):
            first.append(name)
        elif wanted in map(_ascii, host.get("courier_mta_backup_domains", ())):
            second.append(name)
    if not first + second:
        raise AutoconfigError(
            f"mail_mta_sts: no host takes mail for {domain} on port 25, and a policy without exchangers keeps all mail "
            "away; leave out mail_mta_sts"
        )
    return mta_sts_policy(str(mta_sts.get("mode")), first + second, int(mta_sts.get("max_age", 604800)))


def configuration(site: Site) -> str:
    """What the program reads."""
    domains, apexes = list(dict.fromkeys(map(_ascii, site.domains))), list(map(_ascii, site.apexes))
    if foreign := [name for name in apexes if name not in domains]:
        raise AutoconfigError(
            f"mail_autoconfig_apexes has {foreign[0]}, which is no domain of this host; "
            f"write some of {', '.join(domains)}"
        )
    settings = {
        "host": _ascii(site.hostname),
        "domains": domains,
        "servers": _servers(_ascii(site.hostname), site.listeners, site.methods),
        "policies": {_ascii(domain): text for domain, text in site.policies.items()},
        "apexes": apexes,
    }
    return json.dumps(settings, indent=1) + "\n"


def refuse_uncertified(wanted: Iterable[str], certified: Iterable[str]) -> None:
    """Raise AutoconfigError for names that the certificate is not for."""
    patterns = [name.lower() for name in certified]
    missing = [name for name in wanted if name not in patterns and f"*.{name.partition('.')[2]}" not in patterns]
    if missing:
        raise AutoconfigError(
            f"mail programs ask {', '.join(missing)}, and the certificate is not for "
            f"{'these names' if len(missing) > 1 else 'that name'}; "
            "write them in certificates_names (a certificate of your own must hold them), or mail_autoconfig: false"
        )


def _servers(host: str, listeners: Collection[str], methods: Sequence[str]) -> list[dict[str, Any]]:
    ports = {listener: port for _service, port, listener in SERVICES}
    found = []
    for listener in [one for one in _PREFERRED if one in listeners]:
        kind, security = _TYPES[listener]
        login = _login(methods) if kind == "smtp" else "password"
        found.append({"type": kind, "host": host, "port": ports[listener], "security": security, "login": login})
    for kinds, what, where in (
        (("imap", "pop3"), "read mail", "courier_imap_listeners"),
        (("smtp",), "send mail", "courier_mta_listeners"),
    ):
        if not any(one["type"] in kinds for one in found):
            raise AutoconfigError(
                f"mail_autoconfig is true, and no door is open where people could {what}; "
                f"open one ({where}), or write mail_autoconfig: false"
            )
    return found


def _login(methods: Sequence[str]) -> str:
    if any(method in methods for method in _PLAIN):
        return "password"
    if "CRAM-MD5" in methods:
        return "cram-md5"
    raise AutoconfigError(
        f"mail_auth_methods has {', '.join(methods) or 'nothing'}, of which mail programs cannot be told; "
        "add PLAIN, LOGIN or CRAM-MD5, or write mail_autoconfig: false"
    )


def _ascii(name: str) -> str:
    try:
        return to_ascii(name)
    except DomainError as error:
        raise AutoconfigError(str(error)) from error
