# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: relay_info
short_description: Say whether a mail server passes mail on for whom it must not
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Asks each listener, over IPv4 and IPv6, to take mail of a null, a local and a foreign sender for a recipient here,
    one elsewhere, and one written in each of the ways that make careless servers relay. Each conversation ends after
    C(RCPT), so nothing is sent.
  - Run it on a machine that is a stranger to the server. It is a stranger there, and with O(user) somebody who logs in
    as well.
  - A server that keeps those waiting whom it refused is asked in several connections at a time, and takes half a
    minute.
  - An open combination is no failure of the module. The result says so.
options:
  addresses:
    description: Names or addresses of the server. A name is asked for addresses of both families.
    type: list
    elements: str
    required: true
  doors:
    description: Its SMTP listeners.
    type: list
    elements: dict
    required: true
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      tls:
        description: V(starttls) is a handshake after STARTTLS, V(implicit) one at once, V(none) none.
        type: str
        choices: [none, starttls, implicit]
        default: none
  domain:
    description: A domain whose addresses have mailboxes there.
    type: str
    required: true
  known:
    description: An address there.
    type: str
    required: true
  victim:
    description: An address elsewhere, to which nothing must be passed on.
    type: str
    default: victim@example.net
  sender:
    description: The foreign sender. Best one whose domain is in DNS, since others are refused for that.
    type: str
    default: someone@example.net
  relays:
    description: Networks that may relay. If this machine is in one of them it is no stranger, and is told so.
    type: list
    elements: str
    default: []
  seen_as:
    description: Addresses under which the server sees this machine, where they are not its own.
    type: list
    elements: str
    default: []
  user:
    description: Who logs in, on the listeners that want a login. Nobody, if empty.
    type: str
    default: ""
  password:
    description: His password. Is said only within TLS, to a server with the certificate of O(certificate_digest).
    type: str
  certificate_digest:
    description: SHA-256 of the server's certificate (DER), in hexadecimal digits.
    type: str
    default: ""
  timeout:
    description: Seconds until an answer counts as lost.
    type: int
    default: 60
extends_documentation_fragment: [courier.mail.looking]
"""

EXAMPLES = r"""
- name: See whether strangers can relay
  courier.mail.relay_info:
    addresses: [mx1.example.com]
    doors:
      - {port: 25, tls: starttls}
      - {port: 587, tls: starttls}
      - {port: 465, tls: implicit}
    domain: example.com
    known: postmaster@example.com
  delegate_to: localhost
"""

RETURN = r"""
doors:
  description: What each listener answered, by family and by who asked.
  returned: success
  type: list
  elements: dict
  contains:
    door:
      description: The listener.
      type: str
      sample: smtp 192.0.2.25:25
    who:
      description: Who asked, V(stranger) or V(authenticated).
      type: str
    ok:
      description: Whether no combination is open. Nothing where that could not be found out.
      type: bool
    said:
      description: How many combinations there are, or which are open, or why nothing was found out.
      type: str
      sample: 42 combinations of sender and recipient, none of them open
    open:
      description: The conversation of each open combination.
      type: list
      elements: str
      sample: ["MAIL FROM:<> / 250 Ok. / RCPT TO:<victim@example.net> / 250 Ok."]
    seconds:
      description: How long it took.
      type: float
"""

import hashlib
import ipaddress
import smtplib
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._probe import context
from ..module_utils._relay import Answer, Class, Site, ask, lost, wrong

KNOCK = 5.0  # seconds for the connection; a greeting may take its time
FAMILIES = (socket.AF_INET, socket.AF_INET6)
STRANGER = Class("stranger", relays=False)
AUTHENTICATED = Class("authenticated", relays=True)
DOOR = {
    "port": {"type": "int", "required": True},
    "tls": {"type": "str", "choices": ["none", "starttls", "implicit"], "default": "none"},
}


class Door(NamedTuple):
    """A listener at one address."""

    address: str
    port: int
    tls: str

    def __str__(self) -> str:
        return f"smtp {f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"


class Client(smtplib.SMTP):
    """A client that does not wait long for a connection."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), KNOCK)
        connection.settimeout(timeout)
        return connection


class SecureClient(smtplib.SMTP_SSL, Client):
    """The same within TLS."""


class NothingProvedError(Exception):
    """Why nothing was found out."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "doors": {"type": "list", "elements": "dict", "options": DOOR, "required": True},
            "domain": {"type": "str", "required": True},
            "known": {"type": "str", "required": True},
            "victim": {"type": "str", "default": "victim@example.net"},
            "sender": {"type": "str", "default": "someone@example.net"},
            "relays": {"type": "list", "elements": "str", "default": []},
            "seen_as": {"type": "list", "elements": "str", "default": []},
            "user": {"type": "str", "default": ""},
            "password": {"type": "str", "no_log": True},
            "certificate_digest": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    found = [
        (door, who)
        for address in addresses(params["addresses"])
        for given in params["doors"]
        for door in [Door(address, given["port"], given["tls"])]
        for who in ([STRANGER, AUTHENTICATED] if params["user"] and given["port"] != 25 else [STRANGER])
    ]
    if not found:
        module.exit_json(changed=False, doors=[])
    with ThreadPoolExecutor(len(found)) as threads:
        doors = list(threads.map(lambda one: examine(one[0], one[1], params), found))
    module.exit_json(changed=False, doors=doors)


def addresses(names: list[str]) -> list[str]:
    """The addresses of names, each once, IPv4 before IPv6."""
    found: list[str] = []
    for name in names:
        for family in FAMILIES:
            try:
                known = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
            except OSError:
                continue
            found += [str(entry[4][0]) for entry in known]
    return list(dict.fromkeys(found))


def examine(door: Door, who: Class, params: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    answers: list[Answer] = []
    try:
        answers = ask(
            lambda: dial(door, who, params),
            Site(params["domain"], params["known"], params["victim"], params["sender"], door.address),
        )
        ok, said = judge(answers, who)
    except NothingProvedError as reason:
        ok, said = None, str(reason)
    except (OSError, smtplib.SMTPException) as error:
        ok, said = None, f"nothing can be asked from here: {error}"
    return {
        "door": str(door),
        "who": who.name,
        "ok": ok,
        "said": said,
        "open": [str(answer) for answer in wrong(answers, who)],
        "seconds": time.monotonic() - began,
    }


def judge(answers: list[Answer], who: Class) -> tuple[bool | None, str]:
    """Whether all is well, and the sentence about it."""
    found = wrong(answers, who)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        return False, f"open, {found[0].recipient}: {found[0]}{more}"
    if {answer.code for answer in answers} <= {530, 535}:
        return True, f"wants a login first: {answers[0].said[-1]}"
    if missed := lost(answers, who):
        return None, f"nothing is proved, since it refuses what it should take: {missed[0]}"
    return True, f"{len(answers)} combinations of sender and recipient, none of them open"


def dial(door: Door, who: Class, params: dict[str, Any]) -> smtplib.SMTP:
    """A connection that may speak at once."""
    client: smtplib.SMTP
    if door.tls == "implicit":
        client = SecureClient(door.address, door.port, timeout=params["timeout"], context=context())
    else:
        client = Client(door.address, door.port, timeout=params["timeout"])
    try:
        refuse_relays([*params["seen_as"], str(client.sock.getsockname()[0])], params["relays"])  # type: ignore[union-attr]
        client.ehlo()
        if door.tls == "starttls" and client.has_extn("starttls"):
            client.starttls(context=context())
            client.ehlo()
        if who is AUTHENTICATED:
            connection = client.sock
            served = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
            if not served or hashlib.sha256(served).hexdigest() != params["certificate_digest"]:
                raise NothingProvedError("it shows another certificate than the host has, so nobody logged in")
            client.login(params["user"], params["password"])
    except BaseException:
        client.close()
        raise
    return client


def refuse_relays(seen: list[str], relays: list[str]) -> None:
    """Whoever may relay is no stranger."""
    for address in map(ipaddress.ip_address, (one.partition("%")[0] for one in seen)):
        for network in map(ipaddress.ip_network, relays):
            if address.version == network.version and address in network:
                raise NothingProvedError(f"{address} may relay, as {network} is told; ask from somewhere else")


if __name__ == "__main__":
    main()
