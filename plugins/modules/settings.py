# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: settings
short_description: Set keys in Courier's own configuration files
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Sets V(KEY=value) lines in the files that Courier's packages bring and C(sh) sources, namely V(courierd), V(esmtpd),
    V(esmtpd-msa), V(esmtpd-ssl), V(imapd), V(imapd-ssl), V(pop3d), V(pop3d-ssl) and V(authdaemonrc).
  - Each key is set where it stands, in the last assignment, which is the one C(sh) obeys. A key that the file names but
    does not assign goes to the end of its section. Everything else in the file is kept, with its owner, group and mode,
    so that an upgrade of the package finds its own file.
  - The files are their own schema. A key that neither the file nor another file of the same service names is refused,
    since Courier would pass over it in silence.
  - Before anything is written, every file is parsed by C(sh -n), and every V(TLS_PRIORITY) is put to C(gnutls-cli) of
    the host, which must have cipher suites for it. Courier itself starts with a wrong priority string and then fails
    each handshake without a word.
  - Each run warns where V(esmtpd) or V(courierd), which deal with strangers, offer TLS 1.3 alone, and says whom that
    cuts off.
requirements:
  - gnutls-cli (package gnutls-bin, which Courier's packages bring) for V(TLS_PRIORITY)
notes:
  - A key that leaves O(files) keeps its last value in the file.
  - V(esmtpd-msa) and V(esmtpd-ssl) are read after V(esmtpd), V(imapd-ssl) after V(imapd), and V(pop3d-ssl) after
    V(pop3d). What an overlay does not set is inherited, V(BLACKLISTS) for example.
  - Changes take effect when the service is stopped and started again, for V(courierd) the unit C(courier), for
    V(esmtpd) C(courier-mta), C(courier-msa) and C(courier-mta-ssl), for V(imapd) and V(pop3d) their units, and for
    V(authdaemonrc) C(courier-authdaemon). The argument C(restart) of Courier's own scripts does not read them again.
options:
  files:
    description:
      - The settings, by the name of the file. Names and values are Courier's; the comments in the files describe them.
      - Values are text or whole numbers. YAML's V(true) and V(yes) are refused, since Courier wants V(1) in one place
        and V("YES") in another. Quote what begins with a zero, such as V("022"), or YAML reads it as octal.
      - Values cannot hold V($), backticks, backslashes, double quotes or control characters, which do not survive the
        shells between the file and Courier. V(BLACKLISTS), V(DROP) and V(TCPDOPTS) hold options that begin with V(-);
        a message in a DNS blacklist cannot hold blanks. V(-block) without a message is refused, since Courier 1.0.16
        refuses nobody then.
      - V(ESMTPAUTH) must be empty. With any method in it, Courier takes a password before STARTTLS.
        V(ESMTP_BLOCKBACKSCATTER) is V(smtp/dsn), V(smtp/dsn,authsmtp/dsn) or empty; Courier passes over anything else.
    type: dict
    required: true
  directory:
    description: Where the files are.
    type: path
    default: /etc/courier
attributes:
  check_mode:
    description: Reports what would change. A file whose package is not installed yet counts as changed.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Open port 25 to the world and the other two to our users
  courier.mail.settings:
    files:
      esmtpd:
        MAXDAEMONS: 80
        ESMTPAUTH: ""
        BLACKLISTS: "-block=bl.example.net,BLOCK/127.0.0.2,Blacklisted"
      esmtpd-msa:
        AUTH_REQUIRED: 1
        ESMTPAUTH_TLS: PLAIN LOGIN
        TLS_PRIORITY: "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
      esmtpd-ssl:
        AUTH_REQUIRED: 1
        ESMTPAUTH_TLS: PLAIN LOGIN
        BLACKLISTS: ""

- name: Look up accounts in userdb
  courier.mail.settings:
    files:
      authdaemonrc:
        authmodulelist: authuserdb
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/courier/esmtpd]
changed_keys:
  description: The keys that got another value, by the name of the file. Files without such keys are left out.
  type: dict
  returned: success
  sample: {esmtpd: [MAXDAEMONS]}
"""

import os
import stat
from difflib import get_close_matches
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.settings import SERVICES, SettingsError, lines, read, write
from ..module_utils._courier.tls import cut_off
from ..module_utils._gnutls import PriorityError, versions
from ..module_utils._managed_file import File, ensure
from ..module_utils._managed_file import read as read_file

SERVICE = {name: service for service in SERVICES for name in service}


SPEC = {
    "files": {"type": "dict", "required": True},
    "directory": {"type": "path", "default": "/etc/courier"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    wanted = module.params["files"]
    try:
        plan(module.params)
    except SettingsError as error:
        module.fail_json(msg=str(error))
    files = [render(module, name, settings) for name, settings in wanted.items()]
    changed_keys = {name: keys_to_change(file, wanted[name]) for name, file in zip(wanted, files, strict=True)}
    result = ensure(module, files)
    module.exit_json(**result, changed_keys={name: keys for name, keys in changed_keys.items() if keys})


def plan(params: dict[str, Any]) -> dict[str, str]:
    """The lines to have in each file. Which keys a file knows, only the host can tell. Raises SettingsError."""
    wanted = {}
    for name, settings in params["files"].items():
        if name not in SERVICE:
            close = get_close_matches(name, SERVICE, 2, 0.75)
            raise SettingsError(
                f"{name} is not a file that Courier sources; write {' or '.join(close) or ', '.join(SERVICE)}"
            )
        if not isinstance(settings, dict):
            raise SettingsError(f"{name}: write a dictionary of settings, such as {{MAXDAEMONS: 80}}")
        try:
            wanted[name] = lines(settings)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
    return wanted


def render(module: AnsibleModule, name: str, settings: dict[str, Any]) -> File:
    """The file with its new text, proved by the programs that will read it."""
    directory = module.params["directory"]
    path = os.path.join(directory, name)
    before = read_file(path)
    if before is None and not module.check_mode:
        module.fail_json(msg=f"{name}: {path} is not there; install the package that brings it first")
    try:
        if before is None:
            text = f"# {path} is not there yet; its package brings the rest of it.\n{lines(settings)}"
        else:
            siblings = (read_file(os.path.join(directory, sibling)) or "" for sibling in SERVICE[name])
            text = write(before, settings, siblings)
    except SettingsError as error:
        module.fail_json(msg=f"{name}: {error}")
    if before is not None or module.get_bin_path("gnutls-cli"):  # the packages that bring the file bring gnutls-cli
        prove_priority(module, name, settings)
    code, _stdout, stderr = module.run_command(["sh", "-n"], data=text)
    if code != 0:
        module.fail_json(msg=f"{name}: sh cannot read the file, so nothing was written: {stderr.strip()}")
    if before is None:
        return File(path, text)
    seen = os.stat(path)
    return File(path, text, str(seen.st_uid), str(seen.st_gid), stat.S_IMODE(seen.st_mode))


def prove_priority(module: AnsibleModule, name: str, settings: dict[str, Any]) -> None:
    """Refuse a TLS_PRIORITY that GnuTLS cannot use, and warn of one that strangers cannot."""
    priority = settings.get("TLS_PRIORITY")
    if not priority:
        return
    try:
        warning = cut_off(name, settings, versions(module, str(priority)))
    except PriorityError as error:
        module.fail_json(msg=f"{name}: TLS_PRIORITY: {error}")
    if warning:
        module.warn(warning)


def keys_to_change(file: File, settings: dict[str, Any]) -> list[str]:
    held = read(read_file(file.path) or "")
    return [key for key, value in settings.items() if held.get(key) != str(value)]


if __name__ == "__main__":
    main()
