# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of one inventory are to each other, and how Courier calls what it is told of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._courier import bofh
from ..module_utils._courier.aliases import Alias, refused_names
from ..module_utils._courier.forwards import targets
from ..module_utils._courier.senders import Account, Managed, SenderError, compute
from ..module_utils._courier.smtpaccess import WIDEST_RELAY, Network

Host = Mapping[str, Any]  # a host's variables
_LOOPBACK = ("127.0.0.0/8", "::1")


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


def own_networks(hosts: Iterable[Host]) -> list[str]:
    """Networks that are ours. The documentation is in own_networks.yml."""
    found: dict[int, set[Any]] = {4: set(), 6: set()}
    for variable, network in _said_and_seen(hosts):
        try:
            one = _network(str(network))
        except ValueError as error:
            raise AnsibleFilterError(f"{variable} has {network!r}; {error}") from error
        found[one.version].add(one)
    return [
        str(one.network_address if one.prefixlen == one.max_prefixlen else one)
        for version in (4, 6)
        for one in ipaddress.collapse_addresses(found[version])
    ]


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


def _said_and_seen(hosts: Iterable[Host]) -> Iterator[tuple[str, object]]:
    """The networks that are ours, each with the variable that says so."""
    yield from (("the loopback", network) for network in _LOOPBACK)
    for host in hosts:
        name = host["inventory_hostname"]
        for variable in ("mail_admin_networks", "mail_controller_addresses", "mail_addresses"):
            said = host.get(variable) or []
            if isinstance(said, str) or not isinstance(said, Sequence):
                raise AnsibleFilterError(f"{variable} of {name} is {said!r}; write a list of addresses and networks")
            yield from ((f"{variable} of {name}", network) for network in said)
        for peer in (host.get("mail_peers") or {}).get("managed") or []:
            yield from ((f"mail_peers.managed of {name}", network) for network in peer.get("networks") or [])
        facts = host.get("ansible_facts") or {}
        seen = [*(facts.get("all_ipv4_addresses") or []), *(facts.get("all_ipv6_addresses") or [])]
        for address in (name, host.get("ansible_host"), *seen):
            # A name says nothing here. Addresses of the link are everybody's.
            if _is_address(address) and not ipaddress.ip_address(str(address)).is_link_local:
                yield f"the facts of {name}", address


def _is_address(said: object) -> bool:
    try:
        ipaddress.ip_address(str(said))
    except ValueError:
        return False
    return True


def _network(said: str) -> Network:
    """A network that may be ours. Raises ValueError with what to write instead."""
    try:
        network = ipaddress.ip_network(said, strict=False)
    except ValueError:
        raise ValueError("write addresses, or networks such as 192.0.2.0/24 or 2001:db8::/32") from None
    if network.version == 6 and network.prefixlen == 128 and (mapped := network.network_address.ipv4_mapped):
        return ipaddress.ip_network(mapped)
    if "/" in said and ipaddress.ip_address(said.partition("/")[0]) != network.network_address:
        raise ValueError(f"that is a host in {network}; write {network}, or the address alone")
    if network.prefixlen < (widest := WIDEST_RELAY[network.version]):
        raise ValueError(f"nobody has that much for himself; write networks of /{widest} or narrower")
    return network


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
            "own_networks": own_networks,
        }
