# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtualenv
short_description: Have a Python environment with one package in it, of a version and with a checksum that are pinned
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes an environment of the host's Python (C(python3 -m venv --system-site-packages)) and installs one package with
    pip, from an index or from a file. What the package needs must be installed on the host.
  - The environment is made anew, as a whole, when the host's Python has another version than the one it was made of,
    such as after an upgrade of Debian, or when the package has another version. It is made beside the old one and takes
    its place when it is complete.
  - Nothing is asked of the network when the environment is there.
requirements:
  - python3-venv, and what builds the package where it is no wheel, such as python3-setuptools and python3-wheel
options:
  path:
    description: Where the environment is.
    type: path
    required: true
  name:
    description: The package's name on the index.
    type: str
    required: true
  version:
    description: Its version.
    type: str
    required: true
  sha256:
    description: The SHA-256 of its file, in hexadecimal. A file with another one is not installed.
    type: str
    required: true
  source:
    description:
      - The package's file on the host, wheel or sdist, with its usual name. Without it, it comes from the index that
        pip on the host is configured for.
    type: path
  paths:
    description: Lines of a C(.pth) file in the environment, each a directory to import from, or an C(import).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says whether the environment would be made.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Have pythonfilter
  courier.mail.virtualenv:
    path: /usr/local/lib/courier-mail/venv
    name: courier-pythonfilter
    version: 3.0.6
    sha256: 1be76f9afb6244442efdcda5e49aba62eeb967002b5cf27ae5e6c9cb9514fce6
"""

RETURN = r"""
python:
  description: The version of Python that the environment is made of.
  returned: success
  type: str
  sample: "3.13"
"""

import os
import shutil
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import read

PYTHON = "/usr/bin/python3"
SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "source": {"type": "path"},
    "paths": {"type": "list", "elements": "str", "default": []},
}
_PTH = "courier-mail.pth"
_VERSION = "import sys; print('{}.{}'.format(*sys.version_info))"


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    python = _run(module, [PYTHON, "-c", _VERSION]).strip()
    packages = os.path.join(params["path"], "lib", f"python{python}", "site-packages")
    pth = os.path.join(packages, _PTH)
    lines = "".join(f"{line}\n" for line in params["paths"])
    metadata = f"{params['name'].replace('-', '_')}-{params['version']}.dist-info"
    # The .pth file is written last: an environment without it is not complete.
    complete = os.path.isdir(os.path.join(packages, metadata)) and read(pth) == lines
    if not complete and not module.check_mode:
        _make(module, packages, lines)
    module.exit_json(changed=not complete, python=python)


def _make(module: AnsibleModule, packages: str, lines: str) -> None:
    """Make it where it shall be: an environment has its own path in its programs. The old one waits beside it."""
    path = module.params["path"]
    aside = f"{path}.old"
    shutil.rmtree(aside, ignore_errors=True)
    if os.path.isdir(path):
        os.rename(path, aside)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _run(module, [PYTHON, "-m", "venv", "--system-site-packages", path])
        _install(module)
        with open(os.path.join(packages, _PTH), "w", encoding="utf-8") as stream:
            stream.write(lines)
    except BaseException:  # the module's failure is one
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isdir(aside):
            os.rename(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _install(module: AnsibleModule) -> None:
    params = module.params
    wanted = params["source"] or f"{params['name']}=={params['version']}"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{wanted} --hash=sha256:{params['sha256']}\n")
        requirements.flush()
        pip = [os.path.join(params["path"], "bin/pip"), "--disable-pip-version-check", "install", "--no-deps"]
        index = ["--no-index"] if params["source"] else []
        # Built with the host's setuptools, so that only one file has to come over the network.
        _run(module, [*pip, "--no-build-isolation", *index, "--require-hashes", "--requirement", requirements.name])


def _run(module: AnsibleModule, command: list[str]) -> str:
    code, stdout, stderr = module.run_command(command)
    if code != 0:
        last = [line for line in f"{stdout}\n{stderr}".splitlines() if line.strip()][-5:]
        module.fail_json(msg=f"{' '.join(command[:5])} ended with {code}: {' '.join(last)}")
    return str(stdout)


if __name__ == "__main__":
    main()
