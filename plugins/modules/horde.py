# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: horde
short_description: Write what Horde reads, and have it run on PHP 8
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes the configuration of Horde and of IMP, its mail program, for one name and one or several mail servers.
  - Debian's packages of Horde were made for PHP 7. The module copies the few classes that PHP 8 stumbles over, changes
    each place in them that it knows, and has PHP load the copies. Nothing packaged is edited. The copies are made of
    what is installed, in each run, so that they follow the package; where a place is not found, or found too often, the
    module fails and writes nothing.
  - Some copies are for safety. Horde itself takes any certificate of a mail server, and writes line breaks of a login
    name into the log.
options:
  state:
    description: Whether there shall be files, or none of those that the module writes.
    type: str
    choices: [present, absent]
    default: present
  host:
    description: The name that browsers call. Needed to be present.
    type: str
  contact:
    description: Who answers for it; a mail address. Needed to be present.
    type: str
  backends:
    description: >-
      The mail servers whose people log in. With several, the login page asks for one.
      Needed to be present.
    type: list
    elements: dict
    suboptions:
      name:
        description: How Horde calls it, in small letters and digits.
        type: str
        required: true
      title:
        description: What people read of it, O(backends[].name) unless given.
        type: str
        default: ""
      host:
        description: Its IMAP server, by a name that its certificate holds.
        type: str
        required: true
      port:
        description: The port, where TLS begins at once.
        type: int
        default: 993
      smtp_host:
        description: Where its people's mail is handed in, with their login; O(backends[].host) unless given.
        type: str
        default: ""
      smtp_port:
        description: The port, with STARTTLS.
        type: int
        default: 587
      domain:
        description: The domain of its people, where a login name has none.
        type: str
        required: true
  database:
    description:
      - The PostgreSQL server that keeps what people set. Unless given, Horde keeps it in SQLite on the host.
      - Nobody carries it over from the one to the other.
    type: dict
    suboptions:
      host:
        description: Name or address of the server, or the directory of its socket. Needed.
        type: str
      port:
        description: Its port.
        type: int
        default: 5432
      name:
        description: Name of the database. Needed.
        type: str
      user:
        description: Who owns it, as Horde makes its tables itself. Needed.
        type: str
      password:
        description: The password of O(database.user). Needed.
        type: str
      tls:
        description:
          - How the server proves who it is. V(verify-ca) does not look at its name. V(require) takes any certificate
            and V(disable) goes in clear; both need O(database.reason), unless O(database.host) is this host.
        type: str
        choices: [verify-full, verify-ca, require, disable]
        default: verify-full
      ca:
        description: The certificates that are trusted, in a file of the host.
        type: path
        default: /etc/ssl/certs/ca-certificates.crt
      reason:
        description: Why the server need not prove who it is.
        type: str
  attachment_limit:
    description: Bytes that may be attached to a letter.
    type: int
    default: 18874368
  settings:
    description: Settings of Horde's C(conf.php), as nested dictionaries. They win over the module's.
    type: dict
    default: {}
  imp_settings:
    description: The same of IMP's.
    type: dict
    default: {}
  preferences:
    description: What people of IMP find set and can change, by the names in its C(prefs.php).
    type: dict
    default: {}
attributes:
  check_mode:
    description: Reports what would change. Of what is not installed yet, all copies would be made.
    support: full
  diff_mode:
    description: Shows the files before and after, but for secrets.
    support: full
"""

EXAMPLES = r"""
- name: Let people read their mail with a browser
  courier.mail.horde:
    host: webmail.example.com
    contact: postmaster@example.com
    backends:
      - {name: mail, host: mx1.example.com, domain: example.com}
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/horde/imp/backends.local.php]
"""

import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _horde, _postgresql
from ..module_utils._managed_file import File, Files, read, run

GROUP = "courier-horde"

_BACKEND = {
    "name": {"type": "str", "required": True},
    "title": {"type": "str", "default": ""},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 993},
    "smtp_host": {"type": "str", "default": ""},
    "smtp_port": {"type": "int", "default": 587},
    "domain": {"type": "str", "required": True},
}
SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "host": {"type": "str"},
    "contact": {"type": "str"},
    "backends": {"type": "list", "elements": "dict", "options": _BACKEND},
    "database": {"type": "dict", "options": _postgresql.OPTIONS},
    "attachment_limit": {"type": "int", "default": 18874368},
    "settings": {"type": "dict", "default": {}},
    "imp_settings": {"type": "dict", "default": {}},
    "preferences": {"type": "dict", "default": {}},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC,
        required_if=[("state", "present", ("host", "contact", "backends"))],
        supports_check_mode=True,
    )
    if module.params["state"] == "absent":
        run(module, _nothing)
    else:
        run(module, _plan_here, _check)


def plan(params: dict[str, Any]) -> Files:
    """What follows from the arguments alone."""
    _horde.check(params)
    backends = params["backends"]
    texts = [
        _horde.conf(params),
        _horde.REGISTRY,
        _horde.imp_conf(params["attachment_limit"], len(backends) > 1, params["imp_settings"]),
        _horde.backends(backends),
        _horde.SHOWN,
        _horde.prefs(params["preferences"]),
    ]
    files = [
        File(path, text, "root", GROUP, shown=_horde.without_password)
        for path, text in zip(_horde.CONFIGURATION, texts, strict=True)
    ]
    return Files([*files, _overlaid("prepend.php", _horde.prepended())])


def _plan_here(params: dict[str, Any]) -> Files:
    """That, and what follows from the host."""
    made = [_overlaid(copy.path, _copied(copy)) for copy in _horde.COPIES]
    # Sessions that are open are lost with it, so it stays.
    text = read(_horde.SECRET) or f"{secrets.token_urlsafe(32)}\n"
    secret = File(_horde.SECRET, text, "root", GROUP, shown=lambda _text: "***\n")
    return Files([*plan(params).files, *made, secret])


def _check(module: AnsibleModule, _files: Files) -> None:
    if database := module.params["database"]:
        session = _postgresql.parameters(database, database["user"], database["password"])
        _postgresql.reach(_horde.VARIABLE, database, [session])
    missing = [copy.source for copy in _horde.COPIES if not os.path.exists(copy.source)]
    if missing and not module.check_mode:
        raise _horde.HordeError(f"there is no {missing[0]} on this host; install php-horde-imp first")


def _nothing(_params: dict[str, Any]) -> Files:
    overlaid = [f"{_horde.OVERLAY}/{name}" for name in ("prepend.php", *(copy.path for copy in _horde.COPIES))]
    return Files([File(path, None) for path in (*_horde.CONFIGURATION, *overlaid, _horde.SECRET)])


def _overlaid(name: str, text: str) -> File:
    return File(f"{_horde.OVERLAY}/{name}", text, "root", "root", 0o644)


def _copied(copy: _horde.Copy) -> str:
    text = read(copy.source)
    return "" if text is None else _horde.changed(copy, text)


if __name__ == "__main__":
    main()
