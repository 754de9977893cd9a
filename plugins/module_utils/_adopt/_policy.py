# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom Courier refuses while he is on the line: bofh, and what the listeners say of it."""

from __future__ import annotations

from .._courier import bofh
from .._courier.bofh import BofhError
from ._host import COURIER, Host
from ._names import Names, setting_line
from ._plan import Adopted, commented_lines, place
from ._settings import Settings

_PATH = f"{COURIER}/bofh"
_BASELINE = "opt MIME=none"
_UNKNOWN = "is in the bofh of the host, and nobody wrote why"


def take_policy(host: Host, names: Names, held: Settings, adopted: Adopted) -> None:
    """mail_policy, mail_spf, mail_refused_traps, and what else bofh says."""
    text = host.text("bofh") or ""
    rules: list[tuple[str, str]] = []
    sources: dict[str, str] = {}
    for number, line, above in commented_lines(text):
        read = bofh.parse(line)
        if not read:
            adopted.note("left", place(_PATH, number), f"{line.strip()!r} is no rule that Courier knows")
        for rule in read:
            rules.append((rule, above or _UNKNOWN))
            sources[rule] = place(_PATH, number)
    own = [*names.ours, *names.local]
    found, rest, refused = bofh.policy(rules, [name for name in own if name[0] not in "!."])
    checks, rest = bofh.spf_checks(rest)
    for said in refused:
        adopted.note("left", sources.get(said.partition(": ")[0], _PATH), said)
    for kind, entries in found.items():
        if kind == "most_recipients":
            adopted.put("mail_policy", kind, entries, _PATH)
            continue
        for entry in entries:
            adopted.add("mail_policy", entry, _source(kind, entry, sources), under=kind)
    _take_sender_domain(host, held, adopted)
    adopted.variables["mail_spf"] = checks
    _take_rest(names, rest, sources, adopted)


def _source(kind: str, entry: dict[str, object], sources: dict[str, str]) -> str:
    word = str(entry.get("address") or entry.get("domain") or "BOFHCHECKHELO")
    return next((source for rule, source in sources.items() if word in rule.replace("=", " ").split()), _PATH)


def _take_sender_domain(host: Host, held: Settings, adopted: Adopted) -> None:
    value = held.get("esmtpd", "BOFHCHECKDNS")
    if host.text("esmtpd") is not None and value[:1] in ("", "0"):
        entry = {"check": "sender_domain", "on_failure": "pass", "reason": "the host let in whoever"}
        adopted.add("mail_policy", entry, setting_line(host, "esmtpd", "BOFHCHECKDNS"), under="checks")


def _take_rest(names: Names, rest: list[str], sources: dict[str, str], adopted: Adopted) -> None:
    kept = []
    for rule in rest:
        keyword, *words = rule.split()
        address = words[0].lower() if words else ""
        domain = address.rpartition("@")[2]
        if keyword == "spamtrap" and domain in names.ours:
            adopted.add("mail_refused_traps", address, sources[rule])
            continue
        if keyword == "spamtrap" and domain == names.me and names.shared:
            adopted.add("mail_refused_traps", f"{address.partition('@')[0]}@{names.shared[0]}", sources[rule])
            continue
        try:
            bofh.render([rule])
        except BofhError as error:
            adopted.note("left", sources[rule], str(error))
            continue
        if rule != _BASELINE:
            kept.append(rule)
    if kept:
        # What is given takes the place of what the role says by itself.
        adopted.put("courier_mta_files", "bofh", [_BASELINE, *kept], _PATH)
