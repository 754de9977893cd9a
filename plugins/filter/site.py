# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of one inventory are to each other, and how Courier calls what it is told of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from jinja2 import pass_context

from ..module_utils._courier import bofh, ports
from ..module_utils._courier.aliases import Alias, refused_names
from ..module_utils._courier.features import passed_on
from ..module_utils._courier.fetchmailrc import Mailbox, same_place
from ..module_utils._courier.senders import Account, Managed, SenderError, compute
from ..module_utils._courier.smtpaccess import WIDEST_RELAY, Network
from ..module_utils._courier.terms import TermsError

Host = Mapping[str, Any]  # a host's variables
_LOOPBACK = ("127.0.0.0/8", "::1")
_OURS = {"mail_servers", "tarbabies"}
_KEPT = "/etc/ansible/facts.d/courier_mail.fact"
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
            if others := passed_on(account):
                found.append({"name": account["address"], "targets": others, "account": True})
    return found


def fetched_twice(mailboxes: Iterable[Mapping[str, Any]], hosts: Iterable[Host], me: str) -> list[str]:
    """Mailboxes elsewhere that another host fetches, too. The documentation is in fetched_twice.yml."""
    hosts = list(hosts)
    mine = next((_name(host) for host in hosts if host["inventory_hostname"] == me), me)
    found = []
    for host in hosts:
        if _name(host) == mine:  # as in forwards
            continue
        for other in map(_fetched, host.get("mail_remote_mailboxes", ())):
            found += [f"{other.label}, by {_name(host)}" for one in map(_fetched, mailboxes) if same_place(one, other)]
    return found


def host_names(hosts: Iterable[Host]) -> list[str]:
    """What hosts are called. The documentation is in host_names.yml."""
    return sorted({_name(host) for host in hosts})


@pass_context
def own_networks(context: Mapping[str, Any], hosts: Iterable[Host]) -> list[str]:
    """Networks that are ours. The documentation is in own_networks.yml.

    What this host says of others may name them by hostvars, which are there for a host's own variables only. So it is
    taken from where the filter is used.
    """
    found: dict[int, set[Any]] = {4: set(), 6: set()}
    for variable, network in _said_and_seen(context, hosts):
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


@pass_context
def seen_addresses(context: Mapping[str, Any], hosts: Iterable[Host]) -> dict[str, list[str]]:
    """Where hosts are. The documentation is in seen_addresses.yml."""
    kept = _kept(context)
    known = {name: _seen(host) or kept.get(name) for host in hosts for name in [host["inventory_hostname"]]}
    return {name: sorted(addresses) for name, addresses in sorted(known.items()) if addresses}


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


def policy_rules(policy: Mapping[str, Any], own: Iterable[str] = ()) -> list[str]:
    """Lines of bofh. The documentation is in policy_rules.yml."""
    try:
        for notice in bofh.policy_notices(policy):
            Display().warning(notice)
        return bofh.policy_rules(policy, own)
    except (bofh.BofhError, TermsError) as error:
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


def _said_and_seen(here: Host, hosts: Iterable[Host]) -> Iterator[tuple[str, object]]:
    """The networks that are ours, each with the variable that says so."""
    yield from (("the loopback", network) for network in _LOOPBACK)
    yield from _listed("mail_admin_networks", here.get("mail_admin_networks"))
    for peer in (here.get("mail_peers") or {}).get("managed") or []:
        yield from _listed("mail_peers.managed", peer.get("networks"))
    for satellite in here.get("courier_mta_satellites") or []:
        yield from _listed("courier_mta_satellites", satellite.get("networks"))
    kept = _kept(here)
    for host in hosts:
        name = host["inventory_hostname"]
        for variable in ("mail_controller_addresses", "mail_addresses"):
            yield from _listed(f"{variable} of {name}", host.get(variable))
        # A name says nothing here.
        yield from (("the inventory", address) for address in (name, host.get("ansible_host")) if _is_address(address))
        if seen := _seen(host):
            yield from ((f"the facts of {name}", address) for address in seen)
        elif name in kept:
            yield from _listed(f"{_KEPT} of this host, under {name},", kept[name])
        elif not host.get("mail_addresses") and _OURS & set(host.get("group_names") or ()):
            Display().warning(
                f"The addresses of {name} are not known to this run, so nothing keeps that host from being banned; "
                "write its mail_addresses, or run once without --limit"
            )


def _seen(host: Host) -> list[str]:
    """The addresses that a host has by its own word, and where Ansible reached it from, if this run asked it."""
    facts = host.get("ansible_facts") or {}
    seen = [*(facts.get("all_ipv4_addresses") or []), *(facts.get("all_ipv6_addresses") or [])]
    # Addresses of the link are everybody's.
    found = {address for address in seen if not ipaddress.ip_address(str(address)).is_link_local}
    return sorted(found | set(host.get("mail_controller_addresses") or ())) if found else []


def _kept(here: Host) -> Mapping[str, Any]:
    """What this host keeps of addresses that runs before have seen, by the name in the inventory."""
    local = (here.get("ansible_facts") or {}).get("ansible_local") or {}
    kept = local.get("courier_mail")
    found = kept.get("addresses") if isinstance(kept, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _listed(variable: str, said: object) -> Iterator[tuple[str, object]]:
    if isinstance(said, str | Mapping) or not isinstance(said or (), Iterable):
        raise AnsibleFilterError(f"{variable} is {said!r}; write a list of addresses and networks")
    yield from ((variable, network) for network in said or ())  # type: ignore[attr-defined]


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


def _fetched(said: Mapping[str, Any]) -> Mailbox:
    """Where a mailbox is, and no more."""
    return Mailbox(str(said.get("host")), "", str(said.get("user")), "", "", folders=said.get("folders") or ())


def _name(host: Host) -> str:
    return str(host.get("mail_hostname", host["inventory_hostname"]))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "satellites": satellites,
            "smarthost_route": smarthost_route,
            "refused_traps": refused_traps,
            "spf_rules": spf_rules,
            "policy_rules": policy_rules,
            "filter_addresses": filter_addresses,
            "fetched_twice": fetched_twice,
            "forwards": forwards,
            "host_names": host_names,
            "own_networks": own_networks,
            "seen_addresses": seen_addresses,
            "tarbabies": tarbabies,
            "smtp_port": smtp_port,
        }
