# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of one inventory are to each other, and how Courier calls what it is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._courier import bofh, ports
from ..module_utils._courier.aliases import Alias, refused_names
from ..module_utils._courier.forwards import targets
from ..module_utils._courier.senders import Account, Managed, SenderError, compute

Host = Mapping[str, Any]  # a host's variables
_TARBABY = ("host", "addresses", "preference")
_LAST = 90  # the preference of an exchanger that nobody shall need


def satellites(hosts: Iterable[Host], hub: str) -> list[dict[str, Any]]:
    """The hosts that send through a hub, as peers. The documentation is in satellites.yml."""
    found = []
    for host in hosts:
        if host.get("mail_smarthost", {}).get("host") != hub:
            continue
        name, networks = _name(host), host.get("mail_addresses")
        if not networks:
            raise AnsibleFilterError(
                f"{name} sends through {hub}, which has to know it; "
                "write the addresses that it sends from in its mail_addresses"
            )
        found.append({"name": name, "networks": networks})
    return found


def smarthost_route(smarthost: Mapping[str, Any], hosts: Iterable[Host]) -> dict[str, Any]:
    """A satellite's smarthost as a route. The documentation is in smarthost_route.yml."""
    host, relay = smarthost.get("host"), smarthost.get("relay")
    if bool(host) == bool(relay):
        raise AnsibleFilterError(
            "mail_smarthost wants either host, the mail_hostname of a host in this inventory, "
            "or relay, the name of somebody else's server"
        )
    rest = {key: value for key, value in smarthost.items() if key != "host"}
    if host:
        hubs = sorted({_name(other) for other in hosts if not other.get("mail_smarthost")})
        if host not in hubs:
            raise AnsibleFilterError(
                f"mail_smarthost.host is {host}, and no host of this inventory that sends by itself is called that; "
                f"write one of {', '.join(hubs) or '(there is none)'}, or relay for somebody else's server"
            )
        rest["relay"] = host
    return {"security": "smtps", "class": "smarthosts"} | rest


def forwards(hosts: Iterable[Host], me: str) -> list[dict[str, Any]]:
    """Who passes mail on to whom. The documentation is in forwards.yml."""
    hosts = list(hosts)
    mine = next((_name(host) for host in hosts if host["inventory_hostname"] == me), me)
    found = []
    for host in hosts:
        # What has our name and is not us is this host as it was, or will be.
        if host["inventory_hostname"] != me and _name(host) == mine:
            continue
        if host.get("mail_smarthost") or not host.get("mail_domains"):
            continue
        for alias in [*host.get("mail_forwards", ()), *host.get("mail_aliases", ())]:
            found.append({"name": alias["name"], "targets": alias["targets"]})
        for account in host.get("mail_accounts", ()):
            if passed_on := targets(account.get("courier", ())):
                found.append({"name": account["address"], "targets": passed_on, "account": True})
    return found


def host_names(hosts: Iterable[Host]) -> list[str]:
    """What hosts are called. The documentation is in host_names.yml."""
    return sorted({_name(host) for host in hosts})


def tarbabies(hosts: Iterable[Host], mine: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Exchangers that take nothing. The documentation is in tarbabies.yml."""
    own = dict(mine or {})
    if unknown := sorted(own.keys() - _TARBABY):
        raise AnsibleFilterError(f"mail_tarbaby has {unknown[0]}; write some of {', '.join(_TARBABY)}")
    found = []
    for host in hosts:
        if not host.get("mail_addresses"):
            raise AnsibleFilterError(
                f"{_name(host)} is in the group tarbabies, and DNS has to know where it is; write its mail_addresses"
            )
        found.append({"host": _name(host), "addresses": list(host["mail_addresses"])})
    if own.get("addresses"):
        if not own.get("host"):
            raise AnsibleFilterError(
                "mail_tarbaby has addresses and no host; write the name that they have in DNS, tarbaby.example.com"
            )
        found.append({"host": str(own["host"]), "addresses": list(own["addresses"])})
    return [one | {"preference": int(own.get("preference", _LAST))} for one in found]


def smtp_port(addresses: Iterable[str]) -> str:
    """PORT of esmtpd. The documentation is in smtp_port.yml."""
    try:
        return ports.port(addresses)
    except ports.PortError as error:
        raise AnsibleFilterError(str(error)) from error


def refused_traps(addresses: Iterable[str], me: str) -> list[str]:
    """Lines of bofh. The documentation is in refused_traps.yml."""
    return [f"spamtrap {name}" for name in refused_names(addresses, me)]


def spf_rules(checks: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of bofh. The documentation is in spf_rules.yml."""
    try:
        return bofh.spf_rules(checks)
    except bofh.BofhError as error:
        raise AnsibleFilterError(str(error)) from error


def filter_addresses(
    accounts: Iterable[Mapping[str, Any]],
    aliases: Iterable[Mapping[str, Any]],
    domain_aliases: Mapping[str, str],
    managed: Iterable[Mapping[str, Any]],
    local: Iterable[str],
) -> dict[str, Any]:
    """What filters have to know of addresses. The documentation is in filter_addresses.yml."""
    try:
        return compute(
            [Account(one["address"], one.get("send_as", ())) for one in accounts],
            [Alias(one["name"], tuple(one["targets"])) for one in aliases],
            domain_aliases,
            [Managed(one.get("networks", ()), one.get("name"), one.get("domains")) for one in managed],
            local,
        )
    except SenderError as error:
        raise AnsibleFilterError(str(error)) from error


def _name(host: Host) -> str:
    return str(host.get("mail_hostname", host["inventory_hostname"]))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "satellites": satellites,
            "smarthost_route": smarthost_route,
            "refused_traps": refused_traps,
            "spf_rules": spf_rules,
            "filter_addresses": filter_addresses,
            "forwards": forwards,
            "host_names": host_names,
            "tarbabies": tarbabies,
            "smtp_port": smtp_port,
        }
