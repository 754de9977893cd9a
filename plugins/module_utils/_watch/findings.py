# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch findings: how everything stands at this moment, told to nobody else."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from . import _parts
from ._found import State

_ORDER = (State.BAD, State.SOON, State.UNKNOWN, State.WELL)


def main(arguments: Sequence[str]) -> int:
    """Run the command. Ends with 1 where something is bad."""
    parser = argparse.ArgumentParser(prog="courier-mail-watch findings", description=__doc__)
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(list(arguments)[1:])
    found = sorted(_parts.findings(), key=lambda one: (_ORDER.index(one.state), one.key))
    if given.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(one) for one in found], indent=2) + "\n")
    else:
        for one in found:
            sys.stdout.write(f"{one.state:<7} {one.key}: {one.said}\n")
    return int(any(one.state is State.BAD for one in found))
