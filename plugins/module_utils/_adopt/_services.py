# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is beside Courier: filters, scanners, forwarding, certificates, bans, mailboxes elsewhere."""

from __future__ import annotations

import re
from typing import Any

from .. import _pem
from .._courier import fetchmailrc
from .._courier.fetchmailrc import FetchError
from .._filters._catalogue import FILTERS, PACKAGED
from ._host import COURIER, Host
from ._names import Names, setting_line
from ._plan import Adopted, commented_lines, place, plain
from ._settings import Settings

# pythonfilter's own modules and those that people wrote for it, and ours that do the same.
_OURS = {
    "clamav": "clamd",
    "email-correct": "repair",
    "email_correct": "repair",
    "log_mailfrom_rcptto": "log",
    "spamassassin": "spamd",
    "spamassassin3": "spamd",
}
_ELSEWHERE = {
    "spfcheck": "mail_spf, or the filter authenticate, says what is refused by SPF",
    "greylist": "whoever is refused for a while comes again later with spam, too",
}
_CLAMAV = ("clamav-daemon",)
_SPAMD = ("spamd", "spamassassin")
_SRS = ("postsrsd", "srs", "couriersrs")
_LIVE = re.compile(r"/etc/letsencrypt/live/")


def take_services(host: Host, names: Names, held: Settings, adopted: Adopted) -> None:
    """What the host does not have is off, so that adopting it changes as little as it can."""
    _take_filters(host, adopted)
    _take_scanners(host, adopted)
    _take_certificate(host, held, adopted)
    _take_fetchmail(host, names, adopted)
    _take_bans(host, adopted)
    adopted.variables["mail_monitoring"] = False


def _take_filters(host: Host, adopted: Adopted) -> None:
    path = next((one for one in ("/etc/pythonfilter.conf", f"{COURIER}/pythonfilter.conf") if one in host.files), "")
    order: list[str] = []
    for number, line, _above in commented_lines(host.files.get(path, "")):
        name, *bypassed = line.split()
        ours = _OURS.get(name.removesuffix(".py"), name.removesuffix(".py"))
        source = place(path, number)
        if ours in (*FILTERS, *PACKAGED) and ours not in order:
            order.append(ours)
            if bypassed:
                adopted.note("left", source, f"{name} passes over {' '.join(bypassed[1:])} alone; here over all below")
        else:
            why = _ELSEWHERE.get(
                name, "no filter here is called that, and a module of somebody's own is not taken over"
            )
            adopted.note("left", source, f"{name}: {why}", "docs/filters.md has those that there are")
    if order:
        adopted.note(
            "replaced",
            path,
            f"the filters run as {', '.join(order)}, each with settings of its own",
            "what /etc/pythonfilter-modules.conf says goes into mail_filter_settings (docs/filters.md)",
        )
    if "zdkimfilter" in host.packages:
        adopted.variables["mail_signer"] = "zdkimfilter"
        adopted.note(
            "move",
            f"{COURIER}/filters/zdkimfilter.conf",
            "zdkimfilter signs; its keys and settings are not read",
            "give them to the role zdkimfilter (docs/identity.md), or write mail_signer: filters",
        )
    else:
        adopted.variables["mail_signer"] = "filters" if "dkim_sign" in order else ""
    adopted.variables["mail_filters"] = order
    for name in sorted(host.filters - {"zdkimfilter", "000-zdkimfilter"}):
        if "pythonfilter" in name:
            todo = f"just before the host is taken over: filterctl stop {name}"
            adopted.note("move", f"{COURIER}/filters/active/{name}", "courierfilter would start it beside ours", todo)
        else:
            what = f"{name} goes on looking at mail, before or after ours"
            adopted.note("stays", f"{COURIER}/filters/active/{name}", what, f"filterctl stop {name} ends that")
    for sock in ("/etc/pythonfilter.conf", "/etc/pythonfilter-modules.conf", "/etc/pythonfilter*"):
        adopted.explain_all(sock, "the order and the settings of the filters are in the inventory")


def _take_scanners(host: Host, adopted: Adopted) -> None:
    filters = adopted.variables["mail_filters"]
    for variable, packages, name in (
        ("clamav_running", _CLAMAV, "clamd"),
        ("spamassassin_running", _SPAMD, "spamd"),
    ):
        running = host.has(*packages) and name in filters
        adopted.variables[variable] = running
        if name in filters and not running:
            filters.remove(name)
            why = f"a filter asks {packages[0]}, which is not installed"
            adopted.note("left", "/etc/pythonfilter.conf:1", why, f"{variable}: true, and {name} among mail_filters")
        if host.has(*packages) and not running:
            adopted.note(
                "stays",
                "/var/lib/dpkg/status",
                f"{packages[0]} is installed, and no filter asks it",
                f"{variable}: true and {name} among mail_filters let it look into mail",
            )
    if "/etc/spamassassin/local.cf" in host.files and "/etc/spamassassin/local.cf" not in host.pristine:
        adopted.note(
            "left",
            place("/etc/spamassassin/local.cf", 1),
            "rules and scores of the host are not read",
            "write them as spamassassin_rules and spamassassin_scores",
        )
    srs = host.has(*_SRS) or any(".courier-srs" in path.lower() for path in host.files)
    adopted.variables["mail_srs"] = srs or "mail_forwards" in adopted.variables


def _take_certificate(host: Host, held: Settings, adopted: Adopted) -> None:
    path = held.get("esmtpd", "TLS_CERTFILE")
    source = setting_line(host, "esmtpd", "TLS_CERTFILE")
    text = host.files.get(path, "")
    if _LIVE.search(path):
        adopted.note(
            "left",
            source,
            "the certificate is one of Let's Encrypt, by a client of the host",
            "certificates_source: acme has it renewed by the role; leave port 80 to it",
        )
    try:
        chain = "".join(_pem.certificates(text, path))
        key = _pem.private_key(text, path)
    except _pem.PemError:
        adopted.note(
            "guess",
            source,
            "no certificate and key could be read; a self-signed one is made",
            "certificates_source: own with both, or acme",
        )
        return
    if path in host.packaged_certificates:
        adopted.note("guess", source, "the certificate is the package's own, for nobody; one for the host is made")
        return
    adopted.set("certificates_source", "own", source)
    adopted.set("certificates_chain", chain, path)
    adopted.variables["certificates_key"] = adopted.keep_secret("certificate", "key", key)


def _take_fetchmail(host: Host, names: Names, adopted: Adopted) -> None:
    path = "/etc/fetchmailrc"
    found = []
    for number, one, rest in fetchmailrc.parse(host.files.get(path, "")):
        source = place(path, number)
        to = one.to if "@" in one.to or not names.shared else f"{one.to}@{names.shared[0]}"
        found.append((one._replace(to=to), source))
        if rest:
            adopted.note("left", source, f"{one.label}: {', '.join(rest)}", "mail_remote_mailboxes has no such words")
    known = plain(adopted.variables)
    recipients = [entry["address"] for entry in known.get("mail_accounts", [])]
    recipients += [entry["name"] for kind in ("mail_aliases", "mail_forwards") for entry in known.get(kind, [])]
    for one, source in found:
        try:
            fetchmailrc.check([one], recipients)
        except FetchError as error:
            adopted.note("left", source, str(error))
            continue
        entry: dict[str, Any] = {"host": one.host, "protocol": one.protocol, "user": one.user, "to": one.to}
        entry |= {"port": one.port} if one.port else {}
        entry |= {"folders": list(one.folders)} if one.folders else {}
        entry |= {"keep": one.keep} if one.keep else {}
        entry |= {"idle": True} if one.idle else {}
        secret = adopted.keep_secret("remote_passwords", one.label, one.password)
        adopted.add("mail_remote_mailboxes", entry | {"password": secret}, source)
        if one.protocol in ("imap", "pop3"):
            adopted.note("guess", source, f"{one.label}: nothing is said in clear; STARTTLS, or the mailbox waits")
    if found:
        adopted.note(
            "move",
            path,
            "fetchmail of the host would fetch the same mail",
            "when the host is ours: systemctl disable --now fetchmail, and remove the file",
        )


def _take_bans(host: Host, adopted: Adopted) -> None:
    adopted.variables["fail2ban_running"] = host.has("fail2ban")
    if "/etc/fail2ban/jail.local" in host.files:
        adopted.note(
            "left",
            place("/etc/fail2ban/jail.local", 1),
            "jails of the host are not read; those of the role take the place of jails for Courier",
            "settings of your own go into fail2ban_jails; take Courier's out of the file",
        )
