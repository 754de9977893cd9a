# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: zdkimfilter
short_description: Configure zdkimfilter, and have Courier start it before its other filters
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(zdkimfilter.conf) as a whole, and the link by which C(courierfilter) starts zdkimfilter under a name that
    is before those of other filters. C(filterctl) knows no other name than that of the program.
  - zdkimfilter does not start with an option that it does not know, and mail then flows unsigned. So names and values
    are compared with what the version has, also with the version that is installed, and where that has a program that
    looks at a configuration, it is asked as well.
  - Refuses keys that zdkimfilter cannot read, and keys that others can.
  - zdkimfilter reads this when it starts; restart C(courierfilter) when something changed.
options:
  running:
    description: Whether zdkimfilter is started by C(courierfilter). If not, the configuration is removed as well.
    type: bool
    default: true
  options:
    description:
      - Options by their names in C(zdkimfilter.conf)(5). An option without a value is left out.
      - V(true) and V(false) for those of the type bool, a list for arrays.
    type: dict
    default: {}
  secrets:
    description: The options C(db_password) and C(redact_received_auth), which are never shown.
    type: dict
    default: {}
  version:
    description: The version that O(options) are for, such as V(3.20). Empty where that is not known yet.
    type: str
    default: ""
  known:
    description:
      - Options that this module does not know, each with the kind of its value, which is V(bool), V(int), V(list),
        V(path), V(query) or V(text). From version 3.0 on.
    type: dict
    default: {}
  domain:
    description: The domain that must have a key. Empty if any will do.
    type: str
    default: ""
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
  directory:
    description: Where Courier has its configuration.
    type: path
    default: /etc/courier
  programs:
    description: Where Courier has its filters.
    type: path
    default: /usr/lib/courier/filters
attributes:
  check_mode:
    support: full
    description: Says what would change. What is not installed yet is not asked.
  diff_mode:
    support: full
    description: Shows what changes, without secrets.
"""

EXAMPLES = r"""
- name: Sign with zdkimfilter
  courier.mail.zdkimfilter:
    version: "3.20"
    options:
      all_mode: true
      no_signlen: true
      key_choice_header: [from, "*"]
      default_domain: example.com
"""

RETURN = r"""
files:
  description: The files and links that were made or removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/filters/zdkimfilter.conf]
"""

import grp
import os
import pwd
import re
import stat
import tempfile
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.zdkimfilter import RENAMED, ZdkimfilterError, masked, render, signer, version
from ..module_utils._managed_file import File, Files, Link, ensure, ensure_places, read, together

SPEC: dict[str, Any] = {
    "running": {"type": "bool", "default": True},
    "options": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "version": {"type": "str", "default": ""},
    "known": {"type": "dict", "default": {}},
    "domain": {"type": "str", "default": ""},
    "units": {"type": "dict", "default": {}},
    "directory": {"type": "path", "default": "/etc/courier"},
    "programs": {"type": "path", "default": "/usr/lib/courier/filters"},
}
PACKAGE = "zdkimfilter"
# Courier asks its filters in the order of these names, and pythonfilter must not change what was signed.
NAME = "000-zdkimfilter"
UNITS = "/etc/systemd/system"


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    try:
        wanted = plan(params)
        if params["running"]:
            _check(module, wanted)
    except ValueError as error:
        module.fail_json(msg=str(error))
    result = together(ensure(module, wanted.files), ensure_places(module, _links(params)))
    result["files"].sort()
    module.exit_json(**result)


def plan(params: dict[str, Any]) -> Files:
    """What is written, wherever it is asked. The installed version is not known here."""
    if not params["running"]:
        return Files([File(_conf(params), None)])
    text = render(params["options"], params["secrets"], version(params["version"]), params["known"])
    units = [File(os.path.join(UNITS, name), unit, "root", "root", 0o644) for name, unit in params["units"].items()]
    return Files([File(_conf(params), text, "root", "courier", 0o640, masked), *units])


def _conf(params: dict[str, Any]) -> str:
    return os.path.join(params["directory"], "filters/zdkimfilter.conf")


def _links(params: dict[str, Any]) -> list[Link]:
    active = os.path.join(params["directory"], "filters/active")
    program = os.path.join(params["programs"], PACKAGE)
    return [
        # courierfilter starts it by this path, whose name the socket gets.
        Link(os.path.join(active, NAME), program if params["running"] else None, over=True),
        # What the package may have started by itself.
        Link(os.path.join(active, PACKAGE), None, over=True),
    ]


def _check(module: AnsibleModule, wanted: Files) -> None:
    """Ask the host, which has a version and keys, or nothing yet when it is a check."""
    params = module.params
    installed = _installed(module)
    if installed:
        there, said = version(installed), version(params["version"])
        if said and there and there[: len(said)] != said:
            raise ZdkimfilterError(
                f"zdkimfilter_version is {params['version']}, and {installed} is installed; write the same, or leave "
                "it out"
            )
        render(params["options"], params["secrets"], there, params["known"])
        if there and there >= RENAMED:
            _ask(module, signer(there), wanted)
    elif not module.check_mode:
        raise ZdkimfilterError("there is no package zdkimfilter on this host; write zdkimfilter_package")
    if os.path.isdir(keys := os.path.join(params["directory"], "filters/keys")) or not module.check_mode:
        refused = list(_complaints(keys, params["domain"]))
        if refused:
            raise ZdkimfilterError("; ".join(refused))


def _installed(module: AnsibleModule) -> str:
    """The version of the installed package, or nothing."""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", PACKAGE]
    _code, said, _error = module.run_command(query)
    status, _blank, number = said.partition(" ")
    return str(number) if status == "installed" else ""


def _ask(module: AnsibleModule, program: str, wanted: Files) -> None:
    """Have zdkimfilter's own program look at the configuration, unless it is that already."""
    path = module.get_bin_path(program)
    conf = wanted.files[0]
    if not path or read(conf.path) == conf.text:
        return
    with tempfile.NamedTemporaryFile("w", prefix="zdkimfilter.", suffix=".conf") as stream:  # private by itself
        stream.write(conf.text or "")
        stream.flush()
        code, out, said = module.run_command([path, "-f", stream.name, "--config"])
    # One that crashes has no opinion.
    complaint = re.search(r"^.*\b(?:[Ii]nvalid|[Uu]nable to read)\b.*$", f"{said}\n{out}", re.MULTILINE)
    if complaint and code >= 0:
        said = complaint[0].strip().replace(stream.name, "the file")
        raise ZdkimfilterError(f"{program} refuses the options: {said}")


def _complaints(directory: str, domain: str) -> Iterator[str]:
    """What is wrong with the keys, in sentences."""
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    if domain and domain not in names:
        yield f"{directory} has no key for {domain}, whose mail would leave unsigned; let the role dkim make it"
    elif not names:
        yield f"{directory} has no key, and all mail would leave unsigned; let the role dkim make them"
    for name in names:
        path = os.path.join(directory, name)
        if not os.path.islink(path):
            yield f"{path} is no link, so that zdkimfilter does not know its selector; let the role dkim make it"
        elif not os.path.isfile(path):
            yield f"{path} leads to {os.readlink(path)}, where there is no key; let the role dkim make it anew"
        else:
            yield from _exposed(os.path.realpath(path))


def _exposed(key: str) -> Iterator[str]:
    """Courier reads the key, and nobody else but root does."""
    seen = os.stat(key)
    mode = stat.S_IMODE(seen.st_mode)
    try:
        courier, group = pwd.getpwnam("courier").pw_uid, grp.getgrnam("courier").gr_gid
    except KeyError:
        return
    readable = (seen.st_uid == courier and mode & 0o400) or (seen.st_gid == group and mode & 0o040)
    foreign = mode & (0o007 if seen.st_gid == group else 0o077)
    if foreign or seen.st_uid not in (courier, 0):
        yield f"{key} can be read by others than courier (mode {mode:04o}); make it root:courier 0640, and a new key"
    elif not readable:
        yield f"{key} cannot be read by courier, and mail would leave unsigned; make it root:courier 0640"


if __name__ == "__main__":
    main()
