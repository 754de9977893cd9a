# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that sh sources: which doors are open, how people log in, and what somebody has changed."""

from __future__ import annotations

import ipaddress
import re

from .._courier import settings
from .._courier.settings import SettingsError
from ._host import COURIER, Host
from ._names import setting_line
from ._packaged import BASELINE, KEEP, PACKAGED, VARIABLES
from ._plan import Adopted

_EVERYWHERE = ("0", "0.0.0.0", "::", "")  # noqa: S104 -- compared, not bound
_HERE = ("127.0.0.1", "::1")
# The package that brings each of the files which not every host has.
_PACKAGES = {"imapd": "courier-imap", "imapd-ssl": "courier-imap", "pop3d": "courier-pop", "pop3d-ssl": "courier-pop"}
_CRAM = ("CRAM-MD5", "CRAM-SHA1", "CRAM-SHA256")
_OWN = {
    "DEFAULTDELIVERY": "courier_mta_default_delivery",
    "MAXDAEMONS": "courier_imap_connections",
    "MAXPERIP": "courier_imap_connections_per_address",
}
_HOW_TO_LIST = "lists are asked better by the filter dnsbl (mail_blocklists, docs/security.md); then take this out"


class Settings:
    """What sh holds after it has sourced the files of the host."""

    def __init__(self, host: Host) -> None:
        self.files = {name: settings.read(host.text(name) or "") for name in PACKAGED}
        # What Debian's overlays do not set, they inherit.
        for base, overlay in (("esmtpd", "esmtpd-msa"), ("esmtpd", "esmtpd-ssl"), ("imapd", "imapd-ssl")):
            self.files[f"{overlay} whole"] = self.files[base] | self.files[overlay]

    def get(self, name: str, key: str) -> str:
        return self.files.get(name, {}).get(key, "")

    def decided(self, name: str, key: str) -> bool:
        """Whether somebody gave the setting another value than the package."""
        held = self.files[name].get(key)
        return held is not None and held not in PACKAGED[name].get(key, ())

    def is_on(self, name: str, key: str) -> bool:
        return self.get(name, key).upper().startswith("Y")


def take_settings(host: Host, held: Settings, adopted: Adopted) -> None:
    """What was changed by hand, in the variables of the roles; and what the roles change."""
    for name, baseline in BASELINE.items():
        path = f"{COURIER}/{name}"
        if host.text(name) is None:
            continue
        for key, fate in baseline.items():
            if fate != KEEP or not held.decided(name, key):
                adopted.explain(path, "a setting of the role" if fate == KEEP else fate, key)
            if held.decided(name, key) and fate != KEEP and not _is_said(key, held.get(name, key)):
                adopted.note("replaced", setting_line(host, name, key), f'{key}="{held.get(name, key)}": {fate}')
        for key in sorted(held.files[name]):
            if held.decided(name, key) and baseline.get(key, KEEP) == KEEP and key not in ("prefix", "exec_prefix"):
                _keep(host, held, adopted, name, key)


def _is_said(key: str, value: str) -> bool:
    """Whether the inventory says it, or the role has it so itself."""
    return key in _TAKEN_ELSEWHERE or (value == "1" and key.endswith("_REQUIRED")) or key.startswith("NOADD")


# What these say is taken into variables of their own.
_TAKEN_ELSEWHERE = frozenset(
    {
        *("ADDRESS", "PORT", "ESMTPDSTART", "ESMTPDSSLSTART", "ESMTPAUTH", "ESMTPAUTH_TLS", "BOFHCHECKDNS"),
        *("IMAPDSTART", "IMAPDSSLSTART", "POP3DSTART", "POP3DSSLSTART", "IMAP_EMPTYTRASH", "TLS_CERTFILE"),
        *("IMAP_MOVE_EXPUNGE_TO_TRASH", "authmodulelist", "DEFAULTDELIVERY", "TLS_DHPARAMS"),
    }
)


def _keep(host: Host, held: Settings, adopted: Adopted, name: str, key: str) -> None:
    source, value = setting_line(host, name, key), held.get(name, key)
    if key.endswith(("_ORIG", "_WEBADMIN")):
        return
    if key in ("MAXDAEMONS", "MAXPERIP") and name == "imapd":
        adopted.set(_OWN[key], int(value) if value.isdigit() else None, source)
        return
    if key == "DEBUG_LOGIN":
        adopted.note("guess", source, f"{key}={value} writes what people log in with into the journal; 0 is taken")
        adopted.explain(f"{COURIER}/{name}", "logins are not written into the journal", key)
        value = "0"
    try:
        settings.lines({key: value})
    except SettingsError as error:
        if key in BASELINE[name]:
            adopted.explain(f"{COURIER}/{name}", f"left out: {error}", key)
            adopted.note("left", source, str(error), _HOW_TO_LIST if key == "BLACKLISTS" else "")
        else:
            # The role touches its own lines only.
            adopted.note("stays", source, f'{key}="{value}" cannot be said in the inventory')
        return
    adopted.put(VARIABLES[name], key, value, source)
    if key == "BLACKLISTS" and value:
        adopted.note("guess", source, f"{key} is taken as it is: {value}", _HOW_TO_LIST)


def take_doors(host: Host, held: Settings, adopted: Adopted) -> None:
    """Which listeners are open, and where."""
    address, port = held.get("esmtpd", "ADDRESS"), held.get("esmtpd", "PORT")
    listeners = []
    addresses = _addresses(address, port)
    if host.starts("courier-mta", otherwise=held.is_on("esmtpd", "ESMTPDSTART")) and addresses != []:
        listeners.append("smtp")
    if addresses:
        adopted.set("mail_smtp_addresses", addresses, setting_line(host, "esmtpd", "ADDRESS"))
    if host.starts("courier-msa", otherwise=held.is_on("esmtpd-msa", "ESMTPDSTART")):
        listeners.append("submission")
    if host.starts("courier-mta-ssl", otherwise=held.is_on("esmtpd-ssl", "ESMTPDSSLSTART")):
        listeners.append("smtps")
    if listeners != ["smtp", "submission", "smtps"]:
        adopted.variables["courier_mta_listeners"] = listeners
    _take_mailbox_doors(host, held, adopted)
    methods = held.get("esmtpd-msa whole", "ESMTPAUTH_TLS").split() + held.get("esmtpd-ssl whole", "ESMTPAUTH").split()
    if any(method in methods for method in _CRAM):
        adopted.note(
            "left",
            setting_line(host, "esmtpd-msa", "ESMTPAUTH_TLS"),
            "CRAM was offered, for which a secret as good as the password lies on the host",
            "people log in with PLAIN and LOGIN, within TLS; write mail_auth_methods if somebody cannot",
        )
    if held.get("esmtpd", "ESMTPAUTH").strip():
        adopted.note(
            "replaced",
            setting_line(host, "esmtpd", "ESMTPAUTH"),
            "passwords were taken on port 25, and outside of TLS",
            "people who send through port 25 must change to 465 or 587",
        )


def _addresses(address: str, port: str) -> list[str] | None:
    """Where port 25 is heard: None for everywhere, and an empty list for the loopback alone."""
    found = []
    for entry in port.split(","):
        own = entry.strip().rpartition(".")[0] or address
        if own in _EVERYWHERE:
            return None
        found.append(own)
    return [one for one in dict.fromkeys(found) if one not in _HERE and _is_address(one)]


def _take_mailbox_doors(host: Host, held: Settings, adopted: Adopted) -> None:
    listeners = []
    if host.text("imapd-ssl") is not None and host.starts(
        "courier-imap-ssl", otherwise=held.is_on("imapd-ssl", "IMAPDSSLSTART")
    ):
        listeners.append("imaps")
    if host.text("imapd") is not None and host.starts("courier-imap", otherwise=held.is_on("imapd", "IMAPDSTART")):
        source = setting_line(host, "imapd", "ADDRESS")
        if held.get("imapd", "ADDRESS") in _HERE:
            adopted.note(
                "replaced",
                source,
                "IMAP on 143 was open to programs of the host alone",
                "let them use 993, or add imap to courier_imap_listeners",
            )
        else:
            listeners.append("imap")
            adopted.note("guess", source, "143 is open; there too, nobody logs in before STARTTLS from now on")
    if host.text("pop3d-ssl") is not None and host.starts(
        "courier-pop-ssl", otherwise=held.is_on("pop3d-ssl", "POP3DSSLSTART")
    ):
        listeners.append("pop3s")
        if host.starts("courier-pop", otherwise=held.is_on("pop3d", "POP3DSTART")):
            adopted.note("replaced", setting_line(host, "pop3d", "POP3DSTART"), "POP3 on 110 is closed; 995 is open")
    if listeners != ["imaps"]:
        adopted.variables["courier_imap_listeners"] = listeners
    if host.text("imapd") is not None:
        _take_folders(host, held, adopted)


def _take_folders(host: Host, held: Settings, adopted: Adopted) -> None:
    text = held.get("imapd", "IMAP_EMPTYTRASH")
    days = {
        folder: int(number)
        for folder, _colon, number in (entry.partition(":") for entry in text.split(","))
        if folder.strip() and re.fullmatch("[1-9][0-9]{0,3}", number)
    }
    adopted.variables["mail_folder_days"] = days
    if not days and text.strip(" ,"):
        adopted.note("left", setting_line(host, "imapd", "IMAP_EMPTYTRASH"), f"{text!r} names no folder with its days")
    if held.get("imapd", "IMAP_MOVE_EXPUNGE_TO_TRASH") == "1":
        source = setting_line(host, "imapd", "IMAP_MOVE_EXPUNGE_TO_TRASH")
        adopted.set("courier_imap_expunge_to_trash", True, source)


def take_delivery(host: Host, held: Settings, adopted: Adopted) -> None:
    """What happens to mail of accounts that do not say it themselves."""
    if held.decided("courierd", "DEFAULTDELIVERY"):
        source = setting_line(host, "courierd", "DEFAULTDELIVERY")
        adopted.set("courier_mta_default_delivery", held.get("courierd", "DEFAULTDELIVERY"), source)
    for name, package in _PACKAGES.items():
        if host.text(name) is None:
            adopted.explain_all(f"{COURIER}/{name}", f"the package {package} brings it")


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False
