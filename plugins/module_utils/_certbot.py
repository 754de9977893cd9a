# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certbot is asked for, what it remembers of that for the renewal, and who hears when a renewal failed."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ._pem import HOST, Certificate

REPORT = "courier-certificate-report.service"

# What certbot says in each of its answers, and nobody needs.
_CHATTER = re.compile(
    r"Saving debug log|Ask for help|Some challenges have failed|Certbot failed to authenticate|"
    r"Renewing an existing|Requesting a certificate|Account registered|Hint: |[- ]*$"
)


class CertbotError(ValueError):
    """What no authority would sign for, in one sentence."""


class Order(NamedTuple):
    """What certbot is to get, by whom, and how."""

    lineage: str  # certbot's name for a certificate and those that follow it
    names: Collection[str]
    contact: str
    server: str
    challenge: str  # standalone or webroot
    webroot: str | None
    key_type: str  # ecdsa or rsa
    hook: str
    reuse_key: bool = False  # at each renewal

    @property
    def settings(self) -> dict[str, str]:
        """How the file of the renewal says it."""
        webroot = {"webroot_path": f"{self.webroot},"} if self.webroot else {}
        reused = {"reuse_key": "True"} if self.reuse_key else {}
        return (
            webroot
            | reused
            | {
                "authenticator": self.challenge,
                "key_type": self.key_type,
                "renew_hook": self.hook,
                "server": self.server,
            }
        )


def refuse_hopeless(order: Order) -> None:
    """Raise CertbotError for what could not work on any host."""
    if not re.fullmatch(r"[^\s@\"'\\,]+@[^\s@\"'\\,]+", order.contact):
        raise CertbotError(
            f"contact is {order.contact!r}, and ACME is not used without somebody who hears when it fails; "
            "write a mail address as mail_contact or certificates_acme_contact"
        )
    if not order.names:
        raise CertbotError("a certificate needs names; write those that people call this host by")
    for name in order.names:
        if name.startswith("*."):
            raise CertbotError(
                f"{name}: who answers on port 80 proves single hosts only; "
                "write in certificates_names the names that people call"
            )
        if not HOST.fullmatch(name.lower()) or "." not in name or re.fullmatch(r"[0-9.]+", name):
            raise CertbotError(f"{name} is not a full host name, and no authority signs for it; write one as in DNS")
    if not re.fullmatch(r"https://[^\s/\"',#]+/[^\s\"',#]*", order.server):
        raise CertbotError(
            f"server {order.server!r} is not the address of an ACME directory; "
            "write one such as https://acme-v02.api.letsencrypt.org/directory"
        )
    if order.challenge == "webroot" and not order.webroot:
        raise CertbotError(
            "challenge webroot needs the directory that this host's web server shows at http://NAME/; write it as "
            "certificates_acme_webroot, such as /var/www/html, or use the challenge standalone"
        )
    if order.challenge != "webroot" and order.webroot:
        raise CertbotError(
            f"webroot {order.webroot} is of no use to the challenge {order.challenge}; "
            "remove certificates_acme_webroot, or use the challenge webroot"
        )
    for given in (order.webroot or "", order.hook):
        if re.search(r"[\"'\\,#\n]", given):
            raise CertbotError(f"{given!r} would not survive certbot's files; use no quotes, commas, # or backslashes")


def command(order: Order, found: Mapping[str, str]) -> list[str]:
    """Ask for a certificate now, whatever there is. Found is what the file of the renewal says, if there is one."""
    webroot = ["--webroot-path", order.webroot] if order.webroot else []
    # Where keys are used again, certbot would refuse another kind.
    another = found.get("key_type", order.key_type) != order.key_type
    return [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--no-eff-email"),
        *("--force-renewal", "--renew-with-new-domains"),
        *("--cert-name", order.lineage, "--email", order.contact, "--server", order.server),
        *("--key-type", order.key_type, f"--{order.challenge}", *webroot, "--deploy-hook", order.hook),
        *(["--reuse-key"] if order.reuse_key else []),
        *(["--new-key"] if another else []),
        *(argument for name in order.names for argument in ("--domain", name.lower())),
    ]


def settings(text: str) -> dict[str, str]:
    """What the file of a renewal says of how the certificate was got."""
    section = re.search(r"^\[renewalparams\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(\w+) = (.*)$", section[1] if section else "", re.MULTILINE)
    return {name: value.strip("\"'") for name, value in lines}


def reasons(order: Order, found: Mapping[str, str], leaf: Certificate | None, now: datetime) -> list[str]:
    """Why the certificate that certbot keeps is not the one that is wanted."""
    if leaf is None:
        return ["there is none"]
    changed = [
        f"{name} is {found.get(name, 'not said')} and not {value}"
        for name, value in order.settings.items()
        if found.get(name) != value
    ]
    if set(leaf.names) != {name.lower() for name in order.names}:
        changed.append(f"it is for {', '.join(leaf.names)}")
    if ends_soon(leaf, now):
        changed.append(f"it ends on {leaf.not_after:%F %R} UTC")
    return changed


def ends_soon(leaf: Certificate, now: datetime) -> bool:
    """Whether certbot's timer should have renewed it long ago: that does so in the last third of its life."""
    return leaf.not_after - now < (leaf.not_after - leaf.not_before) / 4


def complaint(said: str) -> str:
    """What certbot said went wrong, on one line."""
    lines = [line.strip() for line in said.splitlines() if not _CHATTER.match(line.strip())]
    return re.sub(r"\s+", " ", "; ".join(lines)) or "it does not say why; see /var/log/letsencrypt/letsencrypt.log"


def units(on_failure: str) -> dict[str, str]:
    """Texts below /etc/systemd/system, by their names there, with which systemd runs a command when certbot failed."""
    escaped = on_failure.replace("%", "%%").replace("$", "$$")
    return {
        REPORT: (
            "[Unit]\n"
            "Description=Tell the postmaster what became of the certificate\n"
            "\n"
            "[Service]\n"
            "Type=oneshot\n"
            f"ExecStart={escaped}\n"
        ),
        "certbot.service.d/courier-mail.conf": f"[Unit]\nOnFailure={REPORT}\n",
    }


@contextlib.contextmanager
def answering(webroot: str | None, port: int = 80) -> Iterator[None]:
    """Show the authority what certbot leaves for it, and nothing else, until a web server does."""
    handler = partial(_Challenge, directory=webroot)
    with contextlib.ExitStack() as stack:
        for kind in (_Server, _Server6):
            with contextlib.suppress(OSError):  # a host without this family
                server = stack.enter_context(kind(("", port), handler))
                threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
                stack.callback(server.shutdown)
        yield


class _Challenge(http.server.SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        if not re.fullmatch(r"/\.well-known/acme-challenge/[A-Za-z0-9_-]+", self.path):
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, *_arguments: object) -> None:
        """A module says nothing but its answer."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


class _Server6(_Server):
    address_family = socket.AF_INET6


def needs_reload(shown: str) -> bool:
    """Whether systemd says of any unit that its files were changed."""
    return "NeedDaemonReload=yes" in shown.splitlines()
