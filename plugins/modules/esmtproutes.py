# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: esmtproutes
short_description: Send mail for some or all domains through chosen servers
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(esmtproutes), by which Courier sends mail to a relay instead of to the MX of the recipient's domain,
    C(esmtpauthclient), the logins for these relays, and C(esmtptls), the handshakes with them.
  - The files are owned as a whole. A route that leaves the list leaves the host. Without any login
    C(esmtpauthclient) is removed.
  - Courier itself has one TLS for all destinations. C(esmtptls) is read by the program of that name that the role
    courier_mta puts in the place of C(COURIERTLS) in C(courierd), with C(ESMTP_TLS_VERIFY_DOMAIN) on.
  - The files are read at each new connection, and nothing has to be compiled. A connection that is kept goes on as
    before, for a minute without mail at least. The role courier_mta restarts Courier, which closes them.
  - Courier says nothing of a line that it does not understand. This module refuses such a route, and everything
    else that would not do what it says, and then leaves both files as they were.
  - Mail for domains that are local or hosted never comes to a route.
options:
  routes:
    description:
      - The routes. Courier follows the first one that matches. They are written class by class, in the order of
        O(routes[].class), those without a class first, and otherwise in the order given.
      - A route that can never be reached, under a wildcard or the catch-all, is refused.
      - An empty list sends all mail to its MX.
    type: list
    elements: dict
    required: true
    suboptions:
      domain:
        description:
          - The domain of the recipient. C(.example.com) is every name below C(example.com) at any depth, but not
            C(example.com) itself. An empty one is the catch-all, for every domain.
          - Case does not matter. International names may be written in Unicode or as A-labels (C(xn--)).
        type: str
        default: ""
      relay:
        description:
          - The server that takes the mail. A host name, of which Courier looks up the MX before the address, or an
            address in brackets, C([192.0.2.1]) or C([2001:db8::1]).
          - An empty one is the MX of the recipient's domain, which exempts the domain from a catch-all further down.
        type: str
        default: ""
      port:
        description:
          - The TCP port of O(routes[].relay), 1 to 65535.
          - The default is 25, but 465 with O(routes[].security=smtps), and else 587 with O(routes[].user) or for a
            smarthost.
        type: int
      security:
        description:
          - V(smtps) begins the connection with TLS. Mail waits where that fails, so prefer it where the relay has it.
          - V(required) takes STARTTLS. Mail waits when that fails the first time, and for the next two to three hours
            Courier takes the relay for one without TLS and returns all mail for it to the senders.
          - Without it Courier takes STARTTLS if it is offered. After one failed handshake it sends in clear for some
            hours.
          - There are no other values. Courier ignores C(NONE) since version 0.71, and its C(STARTTLS) is a private
            extension between Courier servers.
        type: str
      family:
        description:
          - Connect over this version of IP only.
          - Courier before 1.4.0, which is in Debian 12, ignores it without a word.
        type: str
        choices: [ipv4, ipv6]
      user:
        description:
          - The name to log in to the relay with. It cannot hold blanks, and O(routes[].security) must be given.
          - Courier keeps one login for a relay and port. All their routes must have the same.
          - A login goes only to a relay whose certificate is verified.
        type: str
      password:
        description:
          - The password for O(routes[].user), in clear. It cannot hold blanks. Relay, user and password are 252 bytes
            long at most, taken together.
        type: str
      class:
        description:
          - What the route is for. It is the heading of a section in the file, and decides what the route must have.
          - V(special) is anything. V(broken_starttls) is a domain whose servers offer STARTTLS and cannot do it.
            Courier sends in clear for some hours after the first failure, so it must not insist. V(sms) is the domain
            of an SMS gateway with its relay. V(safe) is a relay that knows us by our address. V(providers) have a
            login. V(smarthosts) take mail over TLS, with or without a login.
        type: str
        choices: [special, broken_starttls, sms, safe, providers, smarthosts]
      tls_profile:
        description:
          - The profile of the handshake, V(modern) or V(intermediate). The default is O(tls_profile).
          - For relays with O(routes[].security) on a port other than 25.
        type: str
      verify:
        description:
          - Whether the relay's certificate must be for its name, by an authority that the host trusts.
          - The default is V(true) for a relay that is a name, has O(routes[].security), and a port other than 25. There
            Courier does not know relays from MX hosts of the world, whose certificates are not verified.
          - All relays on a port are verified, or none.
        type: bool
      reason:
        description: Why the route is there.
        type: str
      owner:
        description: Who answers for it.
        type: str
      until:
        description:
          - The last day, such as V(2026-12-31). Each run of the 30 days before warns, and each after it is refused.
        type: str
  tls_profile:
    description: The TLS profile of relays that name none, V(modern) or V(intermediate).
    type: str
    default: modern
requirements:
  - gnutls-cli (package gnutls-bin), which proves the TLS profiles
extends_documentation_fragment: [courier.mail.files]
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows the files, with the passwords masked.
"""

EXAMPLES = r"""
- name: Send mail for a partner by its own road and all the rest through a provider
  courier.mail.esmtproutes:
    routes:
      - domain: partner.example
        relay: "[192.0.2.25]"
      - domain: example.org # to its MX, encrypted or not at all
        security: required
      - relay: smtp.provider.example
        port: 587
        security: required
        user: "{{ provider_user }}"
        password: "{{ provider_password }}"

- name: Send everything through our hub
  courier.mail.esmtproutes:
    routes:
      - relay: mx1.example.com
        security: smtps

- name: Send all mail to its MX
  courier.mail.esmtproutes:
    routes: []
"""

RETURN = r"""
files:
  description: The files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/esmtpauthclient, /etc/courier/esmtproutes]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.esmtproutes import (
    CLASSES,
    FAMILY,
    Route,
    in_sections,
    mask_credentials,
    render,
    render_credentials,
    render_tls,
)
from ..module_utils._courier.terms import TERMS_SPEC, Terms, notices
from ..module_utils._courier.tls import PROFILES, priority
from ..module_utils._gnutls import PriorityError, versions
from ..module_utils._managed_file import FILES_SPEC, File, Files, run

ROUTE = {
    "domain": {"type": "str", "default": ""},
    "relay": {"type": "str", "default": ""},
    "port": {"type": "int"},
    # No choices: the renderer knows what to say to those who write none or starttls.
    "security": {"type": "str"},
    "family": {"type": "str", "choices": list(FAMILY)},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "class": {"type": "str", "choices": list(CLASSES)},
    "tls_profile": {"type": "str"},
    "verify": {"type": "bool"},
    **TERMS_SPEC,
}

SPEC = FILES_SPEC | {
    "routes": {"type": "list", "elements": "dict", "options": ROUTE, "required": True},
    "tls_profile": {"type": "str", "default": "modern"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    if not module.check_mode or module.get_bin_path("gnutls-cli"):  # which comes with Courier
        prove_profiles(module)
    run(module, plan)


def prove_profiles(module: AnsibleModule) -> None:
    """Refuse TLS that the host's GnuTLS cannot speak. Profiles that nobody defined are for plan() to refuse."""
    named = {module.params["tls_profile"], *(entry["tls_profile"] for entry in module.params["routes"])}
    for profile in sorted(named & set(PROFILES)):
        try:
            versions(module, priority(profile))
        except PriorityError as error:
            module.fail_json(msg=f"the TLS profile {profile} of relays: {error}")


def plan(params: dict[str, Any]) -> Files:
    directory, owner, group = (params[name] for name in ("directory", "owner", "group"))
    routes = in_sections(map(route, params["routes"]))
    warnings = notices((f"the route for {route.domain or 'all mail'}", route.terms) for route in routes)
    text, credentials, tls = render(routes), render_credentials(routes), render_tls(routes, params["tls_profile"])
    files = [
        # These two first: a route that finds no login goes out without, and one that finds no TLS not at all.
        File(f"{directory}/esmtptls", tls, owner, group),
        File(f"{directory}/esmtpauthclient", credentials or None, owner, group, shown=mask_credentials),
        File(f"{directory}/esmtproutes", text, owner, group),
    ]
    return Files(files, warnings=warnings)


def route(entry: dict[str, Any]) -> Route:
    said = Terms(*(entry[name] for name in TERMS_SPEC))
    rest = {name: value for name, value in entry.items() if name not in TERMS_SPEC and name != "class"}
    return Route(**rest, kind=entry["class"], terms=said)


if __name__ == "__main__":
    main()
