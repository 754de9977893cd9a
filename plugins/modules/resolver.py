# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resolver
short_description: Ask the name servers of this host as Courier will
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Courier passes by C(/etc/hosts) and C(nsswitch.conf) and asks the servers of C(resolv.conf) itself. When they refuse
    or fail, it puts mail off. This module asks each of them for the mail exchangers and the addresses of a name.
  - That a name does not exist, or has no such record, is an answer. Refusal, failure and silence are none.
  - Fails when no server answers. Nothing is ever changed.
requirements:
  - dnspython (Debian package C(python3-dnspython)) on the host
options:
  name:
    description: Name to ask for, such as the host's own.
    type: str
    required: true
  path:
    description: File that names the servers.
    type: path
    default: /etc/resolv.conf
  port:
    description: Port to ask at.
    type: int
    default: 53
  timeout:
    description: Seconds to wait for each answer.
    type: int
    default: 5
attributes:
  check_mode:
    description: Asks all the same.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Ask the resolver as Courier will
  courier.mail.resolver:
    name: mx1.example.com
"""

RETURN = r"""
servers:
  description: What each server did.
  type: list
  elements: dict
  returned: success
  sample: [{address: 192.0.2.53, answered: true, milliseconds: 3}]
silent:
  description: Servers that gave no answer. Each is warned about.
  type: list
  elements: str
  returned: success
addresses:
  description: IPv4 and IPv6 addresses of the name.
  type: list
  elements: str
  returned: success
  sample: [192.0.2.25, "2001:db8::25"]
"""

import time
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode
    import dns.resolver
except ImportError:
    MISSING: str | None = traceback.format_exc()
else:
    MISSING = None

TYPES = ("MX", "A", "AAAA")


class NoAnswerError(Exception):
    """What a server said, or did not say, instead of an answer."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "default": "/etc/resolv.conf"},
            "port": {"type": "int", "default": 53},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib("dnspython"), exception=MISSING)
    path = module.params["path"]
    try:
        # A server that is named twice is one server.
        addresses = list(dict.fromkeys(map(str, dns.resolver.Resolver(filename=path).nameservers)))
    except (dns.resolver.NoResolverConfiguration, OSError) as error:
        module.fail_json(msg=f"{path} names no name server, and Courier asks no other: {error}")
    except ValueError as error:
        module.fail_json(msg=f"{path} has a line that cannot be read; write 'nameserver' and an address: {error}")
    servers: list[dict[str, Any]] = []
    reasons: dict[str, str] = {}
    found: set[str] = set()
    for address in addresses:
        start = time.monotonic()
        try:
            found |= ask(address, **{key: module.params[key] for key in ("name", "port", "timeout")})
        except NoAnswerError as error:
            reasons[address] = str(error)
        milliseconds = round((time.monotonic() - start) * 1000)
        servers.append({"address": address, "answered": address not in reasons, "milliseconds": milliseconds})
    for address, reason in reasons.items():
        module.warn(f"name server {address} of {path} {reason}")
    if len(reasons) == len(addresses):
        told = ", ".join(f"{address} {reason}" for address, reason in reasons.items())
        name = module.params["name"]
        module.fail_json(msg=f"no server of {path} answers for {name}, and Courier would put off all mail: {told}")
    module.exit_json(changed=False, servers=servers, silent=list(reasons), addresses=sorted(found))


def ask(server: str, name: str, port: int, timeout: int) -> set[str]:
    """The addresses that a server knows for a name."""
    found = set()
    for kind in TYPES:
        try:
            query = dns.message.make_query(name, kind)
            answer, _over_tcp = dns.query.udp_with_fallback(query, server, timeout=timeout, port=port)
        except dns.exception.Timeout as error:
            raise NoAnswerError(f"is silent for {timeout} seconds") from error
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswerError(f"cannot be asked: {error}") from error
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise NoAnswerError(f"says {dns.rcode.to_text(answer.rcode())} to {kind}")
        if kind != "MX":
            found |= {record.address for rrset in answer.answer for record in rrset if hasattr(record, "address")}
    return found


if __name__ == "__main__":
    main()
