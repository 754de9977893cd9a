# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of one inventory watch about each other, and which addresses the watch reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible.errors import AnsibleFilterError

Variables = Mapping[str, Any]  # a host's

_HAND = "/usr/local/lib/courier-mail-watch/hand"
_LOCAL_PART = "proof"
# Nobody has this name, and a letter to it comes back.
_NOBODY = "proof-nobody"


def watch_aliases(addresses: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Aliases that give mail to the watch. The documentation is in watch_aliases.yml."""
    wanted = list(addresses)
    # By a name of its own, which filters see as the recipient and no client can claim.
    words = dict.fromkeys(one["word"] for one in wanted)
    programs = [{"name": f"watch-{word}", "targets": [f"|{_HAND} {word}"]} for word in words]
    return programs + [
        {"name": one["name"], "targets": [f"watch-{one['word']}", *one.get("copies", ())]} for one in wanted
    ]


class _Host(NamedTuple):
    """A host that proves that its mail arrives."""

    name: str
    site: str
    address: str
    domains: Sequence[str]
    contact: str  # the domain of who gets the mail of root there
    smarthost: str  # of the inventory, which takes all of its mail; empty where there is none
    satellite: bool
    keys: bool  # whether others can know that a letter is its own


def proofs(
    hosts: Iterable[Variables],
    me: str,
    every: int = 60,
    within: int = 30,
    satellites: Iterable[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What a host proves, and whose letters it expects. The documentation is in proofs.yml."""
    everybody = list(hosts)
    own = next((one for one in everybody if one["inventory_hostname"] == me), None)
    if own is None or not own.get("mail_monitoring", True):
        return {}
    mine = _host(own)
    # In the order of the inventory, so that all mean the same hub. What has our name and is not us is this host as it
    # was, or will be.
    watched = (one for one in everybody if one is own or (_name(one) != mine.name and one.get("mail_monitoring", True)))
    known = [mine if one is own else _host(one) for one in watched]
    senders = [one for one in known if one is not mine and one.keys and one.site == mine.site]
    back = [one for one in senders if one.satellite and one.smarthost == mine.name]
    if satellites is not None:
        taken = {str(one.get("name")) for one in satellites}
        back = [one for one in back if one.name in taken]
    there = [one for one in senders if _hub(one, known) is mine]
    often = {"every": every, "within": within}
    expected = [
        *({"site": one.site, "host": one.name, "direction": "hub"} for one in there),
        *({"site": one.site, "host": one.name, "direction": "report"} for one in back if _hub(one, known)),
    ]
    taker = next((one for one in known if one.name == mine.smarthost), None)
    return {
        "site": mine.site,
        "host": mine.name,
        "address": mine.address,
        "home": not mine.satellite,
        "directions": [one | often for one in _directions(mine, known)],
        "expected": [one | often for one in expected],
        # Of a satellite, what is for its name comes to the host that takes its mail.
        "addresses": [] if mine.satellite else [mine.address, *(one.address for one in back)],
        # A report that the satellite itself makes, because that host refuses the letter, goes there, too.
        "passed_on": [{"name": mine.address, "targets": [taker.address]}] if taker and mine.keys else [],
    }


def proof_settings(
    plan: Mapping[str, Any],
    directions: Iterable[Mapping[str, Any]],
    keys: Sequence[Mapping[str, Any]],
    sites: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Settings of the part proofs, and its secrets. The documentation is in proof_settings.yml."""
    # What the operator says takes the place of what has the same name.
    ways = {one["name"]: dict(one) for one in plan.get("directions", ())}
    logins = {}
    for one in directions:
        ways[str(one.get("name", ""))] = rest = {key: value for key, value in one.items() if key != "password"}
        if one.get("password"):
            if not rest.get("login"):
                raise AnsibleFilterError(f"mail_proofs: {one.get('name')} has a password and no login; write both")
            logins[rest["login"]] = str(one["password"])
    secrets = _keys("mail_proof_keys", str(plan.get("site", "")), keys)
    expected = list(plan.get("expected", ()))
    for site in sites:
        name = str(site.get("name", ""))
        if not name or not site.get("keys"):
            raise AnsibleFilterError("mail_proof_sites: each has a name and keys, each with id and secret")
        secrets |= _keys(f"mail_proof_sites: {name}", name, site["keys"])
        expected += [{"site": name, **one} for one in site.get("expected", ())]
    settings = {key: value for key, value in plan.items() if key not in ("addresses", "passed_on")}
    settings |= {"directions": list(ways.values()), "expected": expected}
    settings["key"] = str(keys[0]["id"]) if keys else ""
    return {"settings": settings, "secrets": {"keys": secrets, "logins": logins}}


def _name(host: Variables) -> str:
    return str(host.get("mail_hostname", host["inventory_hostname"]))


def _host(host: Variables) -> _Host:
    name = _name(host)
    smarthost = host.get("mail_smarthost") or {}
    domains = [] if smarthost else [str(one) for one in host.get("mail_domains") or []]
    contact = str(host.get("mail_contact") or "").rpartition("@")[2]
    return _Host(
        name=name,
        site=str(host.get("mail_proof_site") or contact or name),
        address=str(host.get("mail_proof_address") or f"{_LOCAL_PART}@{domains[0] if domains else name}"),
        domains=domains,
        contact=contact,
        smarthost=str(smarthost.get("host", "")),
        satellite=bool(smarthost),
        keys=bool(host.get("mail_proof_keys")),
    )


def _hub(one: _Host, known: Sequence[_Host]) -> _Host | None:
    """The host that has the mailbox of its contact, where it is another."""
    if one.contact in one.domains:
        return None
    return next((hub for hub in known if one.contact in hub.domains and hub.site == one.site), None)


def _directions(mine: _Host, known: Sequence[_Host]) -> list[dict[str, Any]]:
    hub = _hub(mine, known) if mine.keys else None
    if not mine.satellite:
        found = [
            {"name": "local", "to": mine.address, "way": "return"},
            {"name": "report", "to": f"{_NOBODY}@{mine.name}", "way": "report"},
        ]
        return [*found, {"name": "hub", "to": hub.address, "way": "answer"}] if hub else found
    if hub is None:
        return []
    found = [{"name": "hub", "to": hub.address, "way": "receiver"}]
    if any(one.name == mine.smarthost for one in known):
        found.append({"name": "report", "to": f"{_NOBODY}@{hub.name}", "way": "report"})
    return found


def _keys(variable: str, site: str, keys: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in keys:
        if not isinstance(one, Mapping) or not one.get("id") or not one.get("secret") or len(one) != 2:
            raise AnsibleFilterError(f"{variable}: each key has an id and a secret, and nothing else")
        name = f"{site}/{one['id']}"
        if name in found:
            raise AnsibleFilterError(f"{variable}: the key {one['id']} is there twice; call one of them otherwise")
        found[name] = str(one["secret"])
    return found


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "watch_aliases": watch_aliases,
            "proofs": proofs,
            "proof_settings": proof_settings,
        }
