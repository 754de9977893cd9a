# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an inventory: plain YAML, each entry with the file and line that it came from.

What a host says may hold what Jinja would take for an expression, so such texts are marked as unsafe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ._plan import Adopted, Said, Secret

# Which file of host_vars has which variables; what is named nowhere is in the last one.
FILES: Mapping[str, tuple[str, ...]] = {
    "site": (
        *("mail_hostname", "mail_domains", "mail_domain_aliases", "mail_contact", "mail_root", "mail_user", "mail_uid"),
        *("courier_mta_default_domain", "courier_mta_backup_domains", "courier_mta_local_domains"),
        *("mail_smtp_addresses", "courier_mta_listeners", "courier_imap_listeners"),
    ),
    "people": ("mail_accounts", "mail_folder_days", "mail_remote_mailboxes"),
    "addresses": ("mail_aliases", "mail_forwards", "mail_traps", "mail_refused_traps", "mail_sinks"),
    "routes": ("mail_routes",),
    "peers": ("mail_peers", "courier_mta_access"),
    "policy": ("mail_policy", "mail_spf"),
    "services": (
        *("mail_filters", "mail_signer", "clamav_running", "spamassassin_running", "fail2ban_running", "mail_srs"),
        *("mail_monitoring",),
        *("certificates_source", "certificates_chain", "certificates_key"),
    ),
    "settings": (),
}
SECRETS = "secrets"
VARIABLE = "adopted_secrets"
_HEADS = {
    "site": "What the host is called, which mail is its own, and which doors are open.",
    "people": "Who has a mailbox. What logs in is in secrets.yml.",
    "addresses": "Other addresses, and where their mail goes.",
    "routes": "Where mail goes instead of where DNS says. The first that matches wins, class by class.",
    "peers": "Hosts that are known by their addresses.",
    "policy": "Who is refused while he is on the line.",
    "services": "What runs beside Courier. What the host did not have is off; take a line out to have it.",
    "settings": "What was changed in files of Courier's own, in its words. Look whether somebody still needs it.",
}
_PLAIN = re.compile(r"[A-Za-z0-9/@._](?:[A-Za-z0-9/@._+ -]*[A-Za-z0-9/@._+-])?")
_WORDS = re.compile(r"(?:true|false|yes|no|on|off|null|~|y|n)", re.IGNORECASE)
# What YAML could read as a number or a time.
_NUMBER = re.compile(r"[0-9._+-][0-9._+:eExXa-fA-F-]*")
_JINJA = re.compile(r"\{\{|\{%|\{#")
# Several lines that YAML keeps as they are below a bar.
_BLOCK = re.compile(r"\n*\S.*\n(?:(?:[^\n]*\S)?\n)*[^\n]*\S\n")
_WIDTH = 100


def render(adopted: Adopted, name: str) -> dict[str, str]:
    """The texts of host_vars, by their names, without the secrets."""
    where = {variable: file for file, variables in FILES.items() for variable in variables}
    texts: dict[str, list[str]] = {}
    order = {variable: number for number, variable in enumerate(where)}
    for variable in sorted(adopted.variables, key=lambda one: (order.get(one, len(order)), one)):
        text = "".join(f"{line}\n" for line in _variable(variable, adopted.variables[variable]))
        texts.setdefault(where.get(variable, "settings"), []).append(text)
    return {
        f"{file}.yml": f"---\n# Adopted from {name}. {_HEADS[file]}\n" + "\n".join(texts[file])
        for file in FILES
        if file in texts
    }


def render_secrets(adopted: Adopted, name: str) -> str:
    """The text of the file of secrets."""
    head = f"---\n# Adopted from {name}. Whoever reads this can log in: ansible-vault encrypt {SECRETS}.yml\n"
    body = "".join(f"{line}\n" for line in _variable(VARIABLE, adopted.secrets)) if adopted.secrets else ""
    return head + (body or f"{VARIABLE}: {{}}\n")


def _variable(name: str, value: Any) -> Iterator[str]:
    value, source = _unwrapped(value)
    yield from _entry(f"{name}:", value, source, "")


def _entry(key: str, value: Any, source: str, indent: str) -> Iterator[str]:
    """A key or a dash with its value: on one line where it fits, otherwise below."""
    comment = f" # {source}" if source else ""
    if (
        isinstance(value, str)
        and _BLOCK.fullmatch(value)
        and value.replace("\n", "").isprintable()
        and not (_JINJA.search(value))
    ):
        yield f"{indent}{key} |{comment}"
        yield from (f"{indent}  {line}" if line else "" for line in value[:-1].split("\n"))
    elif not isinstance(value, Mapping | list) or isinstance(value, Secret) or not value:
        yield f"{indent}{key} {_scalar(value)}{comment}"
    elif not _has_sources(value) and len(flow := f"{indent}{key} {_flow(value)}") <= _WIDTH:
        yield f"{flow}{comment}"
    elif isinstance(value, list):
        yield f"{indent}{key}{comment}"
        for item in value:
            yield from _item(item, f"{indent}  ")
    else:
        yield f"{indent}{key}{comment}"
        for name, item in value.items():
            inner, where = _unwrapped(item)
            yield from _entry(f"{_scalar(name)}:", inner, where, f"{indent}  ")


def _item(item: Any, indent: str) -> Iterator[str]:
    value, source = _unwrapped(item)
    if not isinstance(value, Mapping) or not value:
        yield from _entry("-", value, source, indent)
        return
    dash = "- "
    for name, entry in value.items():
        inner, where = _unwrapped(entry)
        lines = list(_entry(f"{_scalar(name)}:", inner, where or (source if dash == "- " else ""), f"{indent}  "))
        yield f"{indent}{dash}{lines[0][len(indent) + 2 :]}"
        yield from lines[1:]
        dash = "  "


def _unwrapped(value: Any) -> tuple[Any, str]:
    source = ""
    while isinstance(value, Said):
        value, source = value.value, source or value.source
    return value, source


def _has_sources(value: Any) -> bool:
    if isinstance(value, Said):
        return True
    if isinstance(value, Mapping):
        return any(map(_has_sources, value.values()))
    return isinstance(value, list) and any(isinstance(item, Mapping) or _has_sources(item) for item in value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    text = _scalar(value)
    if isinstance(value, str) and not text.startswith(("!", '"')) and re.search(r"[,\[\]{}]", text):
        return _string(value)
    return text


def _scalar(value: Any) -> str:
    if isinstance(value, Secret):
        return f'"{{{{ {VARIABLE}.{value.group}[{_quoted(value.name)}] }}}}"'
    if value is None or isinstance(value, bool | int) or not isinstance(value, str):
        return json.dumps(value)
    if _JINJA.search(value):
        return f"!unsafe {_string(value)}"
    needs_none = _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value) and not _NUMBER.fullmatch(value)
    return value if needs_none and value[0] != "@" else _string(value)


def _string(text: str) -> str:
    """A text in double quotes, as YAML has them."""
    escaped = (char if char.isprintable() else f"\\U{ord(char):08x}" for char in json.dumps(text, ensure_ascii=False))
    return "".join(escaped)


def _quoted(name: str) -> str:
    """The name of a secret in an expression, within the double quotes of YAML."""
    return "'" + name.replace("\\", "\\\\\\\\").replace("'", "\\\\'").replace('"', '\\"') + "'"
