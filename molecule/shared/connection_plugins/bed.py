# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way for Ansible into a container of this machine that does not trouble the engine with each command."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bed
short_description: Run commands in a container of this machine
description: As root, without the container's own engine. tests/inside.py says why.
extends_documentation_fragment: [connection_pipelining]
options:
  remote_addr:
    description: The container's name.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
"""

import shlex
import subprocess
import sys
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

if (ROOT := str(Path(__file__).parents[3])) not in sys.path:
    sys.path.append(ROOT)
from tests.inside import NotRunning, entering


class Connection(ConnectionBase):
    transport = "bed"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        try:
            words = [*entering(self.get_option("remote_addr")), "/bin/sh", "-c", cmd]
        except NotRunning as error:
            raise AnsibleConnectionFailure(str(error)) from error
        done = subprocess.run(words, input=in_data or b"", capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self._expect(f"cat >{shlex.quote(out_path)}", Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        Path(out_path).write_bytes(self._expect(f"cat {shlex.quote(in_path)}", b""))

    def _expect(self, command: str, said: bytes) -> bytes:
        code, out, error = self.exec_command(command, said)
        if code:
            raise AnsibleConnectionFailure(f"{command} ended with {code}: {error.decode(errors='replace')}")
        return out

    def close(self) -> None:
        self._connected = False
