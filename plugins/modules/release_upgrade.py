# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_upgrade
short_description: Bring a mail host from Debian 12 to Debian 13, one step at a time
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - The steps of the playbook V(upgrade). Each can be called again, also after it was cut off.
  - Until packages are unpacked, all that is new is in O(directory), the lists and packages of Debian 13 included; apt's
    own files and the sources of the host are as they were.
options:
  step:
    description:
      - V(look) says how far the host is, and what speaks against the upgrade.
      - V(fetch) brings the packages of Debian 13 to the host, and installs none.
      - V(leave) takes that away again, and opens the doors. When packages have been unpacked it does nothing.
      - V(packages) shuts the doors, keeps them shut over a reboot, changes the sources, and upgrades the packages,
        first those that need no new ones. Of Courier's own configuration files it takes the packages' new texts;
        everywhere else the host's files stay.
      - V(open) lets the units of O(doors) be started and enabled again, and starts none. Until they are enabled, a boot
        starts none either.
      - V(finish) starts what else was stopped, says how long the doors were shut, and removes what is needed no more.
    type: str
    choices: [look, fetch, leave, packages, open, finish]
    required: true
  doors:
    description: The units that take mail, deliver it or show it. They are stopped and masked meanwhile.
    type: list
    elements: str
    default: []
  stopped:
    description: Patterns of other units that are stopped meanwhile, such as V(fetchmail@*.service).
    type: list
    elements: str
    default: []
  kept:
    description: Foreign sources by their addresses, files with pins of apt, and held packages, that may stay.
    type: list
    elements: str
    default: []
  needed:
    description: Packages that may not be removed, with V(*) for anything.
    type: list
    elements: str
    default: []
  memory:
    description: Megabytes of memory, with swap, that must be free.
    type: int
    default: 400
  reserve:
    description: Megabytes that must stay free on each file system.
    type: int
    default: 500
  queue:
    description: The most messages that may be in the queue.
    type: int
    default: 1000
  clock:
    description: The most seconds by which the clock may differ from O(now).
    type: float
    default: 60
  now:
    description: The time of the controller, in seconds since 1970; 0 does not compare.
    type: float
    default: 0
  backup_hours:
    description: The most hours since the last backup; 0 demands none.
    type: float
    default: 24
  backup_state:
    description: A JSON file whose C(finished) is the time of the last backup, in seconds since 1970.
    type: path
    default: /var/lib/courier-mail-backup/state.json
  directory:
    description: Where packages, lists and what was replaced are kept meanwhile.
    type: path
    default: /var/lib/courier-mail-upgrade
attributes:
  check_mode:
    description: Only V(look) does something, and leaves nothing behind.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: See what speaks against Debian 13
  courier.mail.release_upgrade:
    step: look
    now: "{{ now(utc=true).timestamp() }}"
"""

RETURN = r"""
stage:
  description:
    - V(before) the packages are those of Debian 12. V(begun) packages have been unpacked. V(upgraded) all are upgraded,
      and the doors are shut. V(done) there is nothing to do.
  returned: success
  type: str
  sample: before
refusals:
  description: What speaks against it, by step V(look).
  returned: success
  type: list
  elements: str
  sample: ["3 updates of Debian 12 wait; install them: apt-get update && apt-get full-upgrade"]
download:
  description: Bytes to be downloaded, by step V(look).
  returned: success
  type: int
  sample: 113000000
removed:
  description: Packages that apt removes, by step V(look).
  returned: success
  type: list
  elements: str
  sample: [php8.2-fpm]
queue:
  description: Messages in the queue. Step V(packages) fails when one of those from before is not in it afterwards.
  returned: success
  type: int
  sample: 3
differing:
  description: Files beside those of C(/etc) for which packages have new texts, by steps V(packages) and V(finish).
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.dpkg-dist]
failed_units:
  description: Units that have failed, by step V(finish).
  returned: success
  type: list
  elements: str
  sample: []
shut:
  description: Seconds for which the doors have been shut, by steps V(packages), V(open) and V(finish).
  returned: success
  type: float
  sample: 312.4
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.settings import SERVICES
from ..module_utils._upgrade import (
    SSH,
    TARGET_FORMAT,
    Found,
    Limits,
    Steps,
    Target,
    refusals,
    rewritten,
    sizes,
    steps,
    targets,
    together,
)

SPEC: dict[str, Any] = {
    "step": {"type": "str", "choices": ["look", "fetch", "leave", "packages", "open", "finish"], "required": True},
    "doors": {"type": "list", "elements": "str", "default": []},
    "stopped": {"type": "list", "elements": "str", "default": []},
    "kept": {"type": "list", "elements": "str", "default": []},
    "needed": {"type": "list", "elements": "str", "default": []},
    "memory": {"type": "int", "default": 400},
    "reserve": {"type": "int", "default": 500},
    "queue": {"type": "int", "default": 1000},
    "clock": {"type": "float", "default": 60},
    "now": {"type": "float", "default": 0},
    "backup_hours": {"type": "float", "default": 24},
    "backup_state": {"type": "path", "default": "/var/lib/courier-mail-backup/state.json"},
    "directory": {"type": "path", "default": "/var/lib/courier-mail-upgrade"},
}

ETC = Path("/etc")
UNITS = ETC / "systemd/system"
QUEUE = Path("/var/lib/courier/msgs")
REVERT = Path("/var/backups/courier-mail-revert")
LISTENER = "courier-mta.service"
LISTENERS = (LISTENER, "courier-msa.service", "courier-mta-ssl.service")
PROC = Path("/proc")
# A message that somebody has open: it comes in, or is being delivered.
OPEN = re.compile(r"/var/lib/courier/(msgs|tmp/\d+)/")
# Seconds for such.
PATIENCE = 60.0
# Files that only the package can give new sections and options, and in which the roles then set values.
TAKEN = {name for service in SERVICES for name in service}
# Left by dpkg and ucf. Courier compiles such files along with those they stand beside.
LEFT = (".dpkg-dist", ".dpkg-new", ".ucf-dist")
MB = 10**6
# What a kernel and its first file system take in /boot.
KERNEL = 250 * MB

# Nobody is there to answer, and the host's own files win.
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
}
CONFFILES = ("--force-confdef", "--force-confold")
APT = (
    *("apt-get", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=3600"),
    *(part for option in CONFFILES for part in ("-o", f"Dpkg::Options::={option}")),
)


class Stopped(Exception):
    """A sentence for the operator."""


class Upgrade:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.began = time.time()  # before anything takes as long as a mirror takes
        self.directory = Path(module.params["directory"])
        self.state_file = self.directory / "state.json"
        self.state: dict[str, Any] = json.loads(self.state_file.read_text()) if self.state_file.exists() else {}

    # What the steps do.

    def look(self) -> dict[str, Any]:
        if self.stage() != "before":
            return {"changed": False, "refusals": [], "removed": [], "download": 0}
        with tempfile.TemporaryDirectory(prefix="courier-mail-upgrade-", dir="/var/tmp") as scratch:
            os.chmod(scratch, 0o755)  # noqa: S103  apt's own user reads and writes below
            debian = targets(self._ask("apt-get", "indextargets", "--format", TARGET_FORMAT, "Created-By: Packages"))
            private = self._private(Path(scratch), debian)
            self._ask("apt-get", *private, "--quiet", "update")
            after = targets(
                self._ask("apt-get", *private, "indextargets", "--format", TARGET_FORMAT, "Created-By: Packages")
            )
            simulated = steps(self._ask("apt-get", *private, "--simulate", "full-upgrade"))
            # It says what it needs, and then that nobody said yes.
            download, more = sizes(self._ask("apt-get", *private, "--assume-no", "full-upgrade", fails=True))
        found = self._found(debian, after, simulated, download, more)
        params = self.module.params
        limits = Limits(
            memory=params["memory"] * MB,
            queue=params["queue"],
            clock=params["clock"],
            backup=params["backup_hours"],
            kept=params["kept"],
            needed=params["needed"],
        )
        return {
            "changed": False,
            "refusals": refusals(found, limits),
            "removed": simulated.removed,
            "download": download,
        }

    def fetch(self) -> dict[str, Any]:
        if self.stage() != "before":
            return {"changed": False}
        shutil.rmtree(self.directory / "apt", ignore_errors=True)
        debian = targets(self._ask("apt-get", "indextargets", "--format", TARGET_FORMAT, "Created-By: Packages"))
        private = self._private(self.directory, debian)
        self._ask("apt-get", *private, "--quiet", "update")
        self._apt("fetch", *private, "--download-only", "full-upgrade")
        self._note(stage="before")
        return {"changed": True}

    def leave(self) -> dict[str, Any]:
        if self.stage() in ("begun", "upgraded"):
            return {"changed": False}
        self._open()
        self._start(self.state.get("ran", []))
        shutil.rmtree(self.directory, ignore_errors=True)
        return {"changed": True}

    def packages(self) -> dict[str, Any]:
        if self.stage() in ("upgraded", "done"):
            return {"changed": False, "queue": len(_queued()), "differing": self.state.get("differing", [])}
        if not (self.directory / "apt/sources.list").exists():
            raise Stopped("the packages of Debian 13 are not here; take the step fetch first")
        self._shut()
        private = self._options(self.directory)
        begun = self.stage() == "begun"
        # From here on there is no way back.
        self._note(stage="begun", queued=self.state.get("queued") or sorted(_queued()))
        self._change_sources()
        if begun:
            self._run("again", "dpkg", *CONFFILES, "--configure", "--pending")
            self._apt("again", *private, "--fix-broken", "install")
        self._apt("minimal", *private, "upgrade", "--without-new-pkgs")
        self._apt("full", *private, "full-upgrade")
        # What had to wait for something that was removed last.
        self._apt("full", *private, "full-upgrade")
        broken = self._ask("dpkg", "--audit").strip()
        if broken:
            raise Stopped(f"packages are half installed: {' '.join(broken.split())[:200]}")
        self._take_texts()
        self._put_away()
        self._ask("apt-get", "--quiet", "update")
        missing = sorted({*self.state["queued"]} - _queued())
        self._note(stage="upgraded", differing=_differing())
        if missing:
            raise Stopped(f"{len(missing)} messages are no longer in the queue: {', '.join(missing[:10])}")
        return {
            "changed": True,
            "differing": self.state["differing"],
            "shut": self._seconds(),
        }

    def open(self) -> dict[str, Any]:
        opened = self._open()
        if masked := self.state.get("masked"):
            # A boot before the roles have come to them starts none; the roles enable what is wanted.
            self._ask("systemctl", "disable", "--", *masked)
        return {"changed": opened, "shut": self._seconds()}

    def finish(self) -> dict[str, Any]:
        if not self.state or self.state.get("stage") == "done":
            return {"changed": False}
        shut = self._seconds_until_open()
        for name in ("apt", "archives", "lists"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self._start([name for name in self.state.get("ran", []) if name not in self.module.params["doors"]])
        self._note(stage="done", shut_seconds=shut)
        failed = self._ask("systemctl", "list-units", "--failed", "--plain", "--no-legend")
        return {
            "changed": True,
            "shut": shut,
            "differing": self.state.get("differing", []),
            "failed_units": [line.split()[0] for line in failed.splitlines() if line.strip()],
        }

    # What they are made of.

    def stage(self) -> str:
        stage = self.state.get("stage")
        if stage in ("begun", "upgraded"):
            return str(stage)
        release = (ETC / "debian_version").read_text().strip()
        return "before" if release.startswith("12.") else "done"

    def _private(self, root: Path, found: Sequence[Target]) -> list[str]:
        """Sources of the new release that only apt-get with these options knows."""
        uris = {one.uri for one in found if one.is_debian}
        copies = root / "apt/sources.list.d"
        copies.mkdir(parents=True, exist_ok=True)
        for path in _sources():
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            target = root / path.relative_to(ETC)
            target.write_text(rewritten(text, uris), encoding="utf-8", errors="surrogateescape")
        (root / "apt/sources.list").touch()
        return self._options(root)

    def _options(self, root: Path) -> list[str]:
        for name in ("lists", "archives"):
            (root / name).mkdir(exist_ok=True)
        options = {
            "Dir::Etc::SourceList": root / "apt/sources.list",
            "Dir::Etc::SourceParts": root / "apt/sources.list.d",
            "Dir::State::Lists": root / "lists",
            "Dir::Cache::Archives": root / "archives",
            "Dir::Cache::PkgCache": "",
            "Dir::Cache::SrcPkgCache": "",
        }
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def _change_sources(self) -> None:
        replaced = self.directory / "sources"
        for path in _sources():
            new = (self.directory / path.relative_to(ETC)).read_bytes()
            if new != path.read_bytes():
                copy = replaced / path.relative_to(ETC)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, copy)
                _write(path, new)

    def _take_texts(self) -> None:
        """The packages' texts where roles set values in them, and nothing beside what roles write whole."""
        replaced = self.directory / "courier"
        replaced.mkdir(mode=0o700, exist_ok=True)
        for path in sorted((ETC / "courier").rglob("*")):
            if path.suffix not in LEFT or not path.is_file():
                continue
            own = path.with_suffix("")
            if path.suffix == ".dpkg-dist" and own.parent == ETC / "courier" and own.name in TAKEN and own.exists():
                shutil.copy2(own, replaced / own.name)
                _write(own, path.read_bytes())
            path.unlink()

    def _put_away(self) -> None:
        """What was kept for going back (role revert): the configuration of another Courier."""
        if REVERT.is_dir():
            target = self.directory / "revert"
            shutil.rmtree(target, ignore_errors=True)
            shutil.move(REVERT, target)

    def _shut(self) -> None:
        params = self.module.params
        present = self._present()
        # Noted first: what is stopped and masked must be known to whoever starts it again.
        masked = sorted({*self.state.get("masked", []), *present})
        ran = self.state.get("ran") or self._running()
        self._note(stage=self.stage(), shut=self.state.get("shut", time.time()), masked=masked, ran=ran)
        # What starts others goes first: a timer that rings now would find half a Python.
        if params["stopped"]:
            self._ask("systemctl", "stop", "--", *params["stopped"])
        self._wait_until_quiet()
        if present:
            self._ask("systemctl", "stop", "--", *present)
            self._ask("systemctl", "mask", "--", *present)

    def _wait_until_quiet(self) -> None:
        """Let nobody else in, and wait for what is just being taken or delivered.

        Courier's stop is an abort: of what has been delivered and was not noted yet somebody would get a second copy,
        as of what we have taken and did not say so yet. A listener that is halted leaves its sessions alone.
        """
        listeners = [pid for pid in map(self._main_process, LISTENERS) if pid]
        try:
            for pid in listeners:
                os.kill(pid, signal.SIGSTOP)
            deadline = time.monotonic() + PATIENCE
            while _is_busy() and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            for pid in listeners:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _main_process(self, unit: str) -> int:
        return int(self._ask("systemctl", "show", "--property=MainPID", "--value", "--", unit).strip() or 0)

    def _present(self) -> list[str]:
        """The doors that this host has. A unit of /etc cannot be masked; ours there stop with the packages'."""
        doors = self.module.params["doors"]
        shown = self._ask("systemctl", "show", "--property=LoadState", "--value", "--", *doors) if doors else ""
        loads = [line for line in shown.splitlines() if line]
        return [
            name for name, load in zip(doors, loads, strict=True) if load == "loaded" and not (UNITS / name).is_file()
        ]

    def _open(self) -> bool:
        masked = [name for name in self.state.get("masked", []) if (UNITS / name).is_symlink()]
        if masked:
            self._ask("systemctl", "unmask", "--", *masked)
        return bool(masked)

    def _running(self) -> list[str]:
        """What of the doors, and of what else is stopped, runs."""
        params = self.module.params
        names = [*params["doors"], *params["stopped"]]
        shown = self._ask("systemctl", "list-units", "--state=active", "--plain", "--no-legend", "--", *names)
        return [line.split()[0] for line in shown.splitlines() if line.strip()] if names else []

    def _start(self, names: Sequence[str]) -> None:
        """Start what ran. What is not there any more, or cannot start now, the roles see to."""
        if names:
            self._ask("systemctl", "start", "--", *names, fails=True)

    def _seconds(self) -> float:
        return round(time.time() - self.state["shut"], 1) if "shut" in self.state else 0.0

    def _seconds_until_open(self) -> float:
        """From the moment when the doors shut until the listener on port 25 came back."""
        shown = self._ask(
            *("systemctl", "show", "--timestamp=unix", "--property=ActiveEnterTimestamp", "--value", LISTENER)
        )
        opened = shown.strip().removeprefix("@")  # whole seconds, or nothing
        since = float(opened) - self.state["shut"] if opened and "shut" in self.state else -1.0
        return round(max(since, 0.0), 1) if since > -1 else self._seconds()

    def _found(
        self, before: Sequence[Target], after: Sequence[Target], simulated: Steps, download: int, more: int
    ) -> Found:
        params = self.module.params
        # The packages, what is in them, and what they need while they are unpacked.
        wants = [(_mount(self.directory), download), (_mount("/usr"), max(more, 0))]
        places = {mount for mount, _size in wants} | {_mount("/"), _mount("/var")}
        wants += [(mount, params["reserve"] * MB) for mount in sorted(places)]
        kernel = any(name.startswith("linux-image") for name in (*simulated.installed, *simulated.upgraded))
        if kernel and _mount("/boot") not in places:
            wants.append((_mount("/boot"), KERNEL))
        free = {mount: shutil.disk_usage(mount).free for mount, _size in wants}
        return Found(
            architecture=self._ask("dpkg", "--print-architecture").strip(),
            targets=before,
            targets_after=after,
            steps=simulated,
            spaces=together(wants, free),
            pending=len(steps(self._ask("apt-get", "--simulate", "full-upgrade")).upgraded),
            old_ssh=self._is_older("openssh-server", SSH),
            held=self._ask("apt-mark", "showhold").split(),
            pins=[str(path) for path in _pins()],
            broken=self._ask("dpkg", "--audit").strip(),
            memory=_memory(),
            queue=len(_queued()),
            clock=self.began - params["now"] if params["now"] else 0.0,
            backup=_backup_age(Path(params["backup_state"])),
        )

    def _is_older(self, package: str, version: str) -> bool:
        installed = self._ask("dpkg-query", "--show", "--showformat=${Version}", package, fails=True).strip()
        compare = ["dpkg", "--compare-versions", installed, "lt", version]
        return bool(installed) and self.module.run_command(compare)[0] == 0

    def _note(self, **state: Any) -> None:
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self.state |= state
        _write(self.state_file, json.dumps(self.state).encode())

    def _ask(self, *command: str, fails: bool = False) -> str:
        code, stdout, stderr = self.module.run_command(list(command), environ_update=ENVIRONMENT)
        if code != 0 and not fails:
            said = [line for line in f"{stdout}\n{stderr}".splitlines() if line.strip()][-5:]
            raise Stopped(f"{command[0]} ended with {code}: {' '.join(said)}")
        return str(stdout)

    def _apt(self, name: str, *arguments: str) -> None:
        self._run(name, *APT, *arguments)

    def _run(self, name: str, *command: str) -> None:
        """Run what may not be cut off when the connection is: in a session of its own, whose words go to a file."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as stream:
            done = subprocess.run(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | ENVIRONMENT,
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
            raise Stopped(f"{command[0]} ended with {done.returncode}, and {log} has all of it: {' '.join(said)}")


def _sources() -> Iterator[Path]:
    main = ETC / "apt/sources.list"
    if main.exists():
        yield main
    parts = ETC / "apt/sources.list.d"
    if parts.is_dir():
        yield from sorted(path for path in parts.iterdir() if path.suffix in (".list", ".sources"))


def _pins() -> Iterator[Path]:
    """Files in which apt is told what to prefer. The one for Horde is ours."""
    main = ETC / "apt/preferences"
    if main.exists():
        yield main
    parts = ETC / "apt/preferences.d"
    if parts.is_dir():
        yield from sorted(path for path in parts.iterdir() if path.name != "courier-mail-horde")


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there in whole or not at all, with the owner and mode that it has."""
    temporary = path.with_name(f".{path.name}~")
    temporary.write_bytes(content)
    if path.exists():
        shutil.copystat(path, temporary)
        seen = path.stat()
        os.chown(temporary, seen.st_uid, seen.st_gid)
        os.utime(temporary)
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)


def _mount(path: str | Path) -> str:
    """The file system that has it, or will have it."""
    resolved = os.path.realpath(path)
    while not os.path.ismount(resolved):
        resolved = os.path.dirname(resolved)
    return resolved


def _queued() -> set[str]:
    """The control files of the queue. A message that arrives has its last name at once."""
    return {path.name for path in QUEUE.glob("*/C*")} if QUEUE.is_dir() else set()


def _is_busy() -> bool:
    for descriptor in PROC.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended, or was closed
            if OPEN.match(os.readlink(descriptor)):
                return True
    return False


def _differing() -> list[str]:
    return sorted(str(path) for path in ETC.rglob("*") if path.suffix in (".dpkg-dist", ".ucf-dist"))


def _memory() -> int:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(line[1]) * 1024 for line in lines if line[0] in ("MemAvailable:", "SwapFree:"))


def _backup_age(path: Path) -> float | None:
    try:
        finished = json.loads(path.read_text()).get("finished")
    except (OSError, ValueError, AttributeError):
        return None
    return (time.time() - finished) / 3600 if isinstance(finished, int | float) else None


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    step = module.params["step"]
    try:
        upgrade = Upgrade(module)
        if module.check_mode and step != "look":
            stage = upgrade.stage()
            module.exit_json(changed=stage != "done", stage=stage, differing=[], queue=len(_queued()), shut=0.0)
        result = getattr(upgrade, step)()
        module.exit_json(stage=upgrade.stage(), **({"queue": len(_queued())} | result))
    except Stopped as stopped:
        module.fail_json(msg=str(stopped))


if __name__ == "__main__":
    main()
