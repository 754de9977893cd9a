# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to its inventory, in one go."""

from __future__ import annotations

import json
from typing import NamedTuple

from . import _inventory
from ._addresses import take_addresses
from ._explained import explain_the_rest
from ._host import COURIER, Host
from ._names import Names, name_the_rest, take_mail_domains, take_names, take_values
from ._people import people, take_people
from ._plan import KINDS, Adopted, Explained, Note, plain
from ._policy import take_policy
from ._roads import take_peers, take_routes
from ._services import take_services
from ._settings import Settings, take_delivery, take_doors, take_settings

_PACKAGES = ("courier-mta", "courier-base")


class AdoptError(ValueError):
    """A host that cannot be read."""


class Written(NamedTuple):
    """What is to be written, by the paths below the directory."""

    files: dict[str, str]
    secrets: tuple[str, str]  # path and text
    notes: list[Note]


def adopt(host: Host) -> Adopted:
    """What becomes of the host. Raises AdoptError where there is no Courier."""
    if not host.has(*_PACKAGES) and host.text("courierd") is None:
        raise AdoptError(
            f"{host.name} has no Courier: none of the packages {', '.join(_PACKAGES)}, and no {COURIER}/courierd; "
            "for a new host write an inventory by hand (README)"
        )
    if host.text("esmtptls") is not None:
        raise AdoptError(
            f"{host.name} was set up by this collection already ({COURIER}/esmtptls is its own); "
            "its inventory is the one that it was set up from"
        )
    adopted = Adopted()
    try:
        names, held = Names(host), Settings(host)
    except ValueError as error:
        raise AdoptError(f"{host.name}: the lists of domains cannot be read as Courier does: {error}") from error
    for path, why in sorted(host.unread.items()):
        adopted.note("left", path, f"was not read, since {why}")
    take_names(host, names, adopted)
    found = people(host, names, held, adopted)
    take_people(host, found, names, adopted)
    addresses = [entry["address"] for entry in plain(adopted.variables.get("mail_accounts", []))]
    take_mail_domains(host, names, adopted, addresses)
    take_values(host, adopted)
    take_addresses(host, names, addresses, adopted)
    take_routes(host, adopted)
    take_peers(host, adopted)
    take_policy(host, names, held, adopted)
    take_delivery(host, held, adopted)
    take_doors(host, held, adopted)
    take_settings(host, held, adopted)
    take_services(host, names, held, adopted)
    explain_the_rest(host, adopted)
    name_the_rest(host, adopted)
    _see_a_satellite(addresses, adopted)
    return adopted


def _see_a_satellite(people_here: list[str], adopted: Adopted) -> None:
    """A host that has no mail of its own, and sends all through another, has a shorter inventory."""
    routes = plain(adopted.variables.get("mail_routes", {})).get("smarthosts", [])
    if not people_here and "mail_domains" not in adopted.variables and any("domain" not in one for one in routes):
        adopted.note(
            "guess",
            f"{COURIER}/esmtproutes",
            "the host has no mailboxes, and sends all of its mail through another one",
            "mail_smarthost instead of mail_routes makes it a satellite (README)",
        )


def written(host: Host, name: str) -> Written:
    """The files of the inventory, the secrets, and what people are told. name is the host's in the inventory."""
    adopted = adopt(host)
    place = f"host_vars/{name}"
    files = {f"{place}/{file}": text for file, text in _inventory.render(adopted, host.name).items()}
    files[f"{name}.yml"] = f"---\n# Adopted from {host.name}.\nmail_servers:\n  hosts:\n    {name}:\n"
    notes = sorted(set(adopted.notes), key=lambda note: (list(KINDS).index(note.kind), note.source, note.what))
    files[f"{place}/adopted.json"] = _json(adopted, notes)
    files[f"{place}/adopted.md"] = report(host, adopted, notes)
    secrets = _inventory.render_secrets(adopted, host.name)
    return Written(files, (f"{place}/{_inventory.SECRETS}.yml", secrets), notes)


def _json(adopted: Adopted, notes: list[Note]) -> str:
    """What the comparison goes by. Ansible reads it as variables of the host."""
    data = {
        "adopted_aside": sorted(set(adopted.aside)),
        "adopted_before": adopted.before,
        "adopted_explained": [one._asdict() for one in dict.fromkeys(_hashable(adopted))],
        "adopted_notes": [note._asdict() for note in notes],
    }
    # Texts of the host are shown, and never templated.
    text = json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True)
    return text.replace("{{", "{ {").replace("{%", "{ %").replace("{#", "{ #") + "\n"


def _hashable(adopted: Adopted) -> list[Explained]:
    return [one._replace(items=tuple(one.items)) for one in adopted.explained]


def report(host: Host, adopted: Adopted, notes: list[Note]) -> str:
    """What people read after the inventory was written."""
    lines = [
        f"# {host.name}, adopted",
        "",
        "What was read of the host is beside this file, each entry with the file and line that it came from. Here is "
        "what was not taken as it stood. docs/adopt.md says what to do next.",
        "",
    ]
    for kind, title in KINDS.items():
        some = [note for note in notes if note.kind == kind]
        if some:
            lines += [f"## {title}", ""]
            for note in some:
                lines.append(f"- `{note.source}`: {_ended(note.what)}")
                if note.todo:
                    lines.append(f"  *{_ended(note.todo)}*")
            lines.append("")
    lines += ["## What a run changes", "", "| file or task | what | why |", "| --- | --- | --- |"]
    for one in dict.fromkeys(_hashable(adopted)):
        shown = "all of it" if list(one.items) == ["*"] else ", ".join(_shortened(list(one.items)))
        lines.append(f"| `{one.path}` | {_cell(shown)} | {_cell(one.why)} |")
    return "\n".join(lines) + "\n"


def _shortened(items: list[str]) -> list[str]:
    return items if len(items) <= 6 else [*items[:6], f"and {len(items) - 6} more"]


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
