# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic, and what its refusals mean in a postmaster's words.

Debian 12 has 0.14, which knows of failure only that there was one, so its words are read; Debian 13 has 0.18, which
says the same with codes of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from ._configuration import CACHE, DIRECTORY, Settings, without_password

TAG = "courier-mail"
UNFINISHED = "courier-mail-unfinished"
INCOMPLETE = 3  # files could not be read; there is a snapshot of the others

_UNREADABLE = re.compile(r"could not load snapshot|failed to load snapshot")
_ABSENT = re.compile(
    r"unable to open config file|Is there a repository at the following location|repository does not exist"
)
# What stderr says, and what that means. The first that matches is told; what a broken connection makes of a repository
# looks like damage. A server that does not know us, or does not answer, has no repository in restic's words, too.
_MEANINGS = (
    (
        r"wrong password or no key found",
        "the password does not open {target}; mail_backup.password must be the one that it was made with",
    ),
    (r"no space left on device|disk quota exceeded", "there is no room left for {target}: {said}"),
    (
        r"already locked|unable to create lock in backend.*locked",
        "{target} is locked by another run: {said}. If that is no more, run: courier-mail-backup restic unlock",
    ),
    (
        r"permission denied|access denied|401 Unauthorized|403 Forbidden|read-only file system|InvalidAccessKeyId|"
        r"Access Key Id you provided|SignatureDoesNotMatch|request signature we calculated",
        "{target} does not let us write: {said}",
    ),
    (
        r"connection refused|no such host|i/o timeout|network is unreachable|no route to host|deadline exceeded|"
        r"Host key verification failed|unable to start the sftp session|Could not resolve|Connection closed|dial tcp|"
        r"x509: |unexpected HTTP response \(5",
        "{target} cannot be reached: {said}",
    ),
    (
        r"ciphertext verification failed|invalid data returned|hash does not match|unexpected EOF|not found in index|"
        r"does not match|repository contains errors|wrong data returned|failed to load|LoadTree|contains \d+ errors|"
        r"Load\(<(?:data|index|snapshot|key)|load <(?:data|index|snapshot)|tree [0-9a-f]+.* not found|size mismatch|"
        r"id [0-9a-f]+ not found in repository|invalid character",
        '{target} is damaged: {said}. What to do is in docs/backup.md, "A damaged repository"',
    ),
)


class ResticError(Exception):
    """What went wrong, in one sentence."""


class NoRepositoryError(ResticError):
    """There is nothing at the target."""


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Restic:
    """The program, with the secrets in its environment and not among its arguments."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        directory: str = DIRECTORY,
        cache: str = CACHE,
        program: str = "restic",
    ) -> None:
        self.target = without_password(settings.repository)
        self._options = _ssh(settings, directory)
        self._program = program
        self.environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **environment,
            "RESTIC_REPOSITORY": _with_login(settings.repository, environment),
            "RESTIC_PASSWORD_FILE": f"{directory}/password",
            "RESTIC_CACHE_DIR": cache,
        }

    def run(self, *arguments: str, also: Sequence[int] = ()) -> Done:
        """Run it to its end. Raises ResticError for any code but 0 and those that are good as well."""
        try:
            done = subprocess.run(  # noqa: S603
                self.command("--quiet", *arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                cwd="/",
            )
        except OSError as error:
            raise ResticError(f"{self._program} cannot be run: {error.strerror}") from error
        if done.returncode and done.returncode not in also:
            raise self._refusal(done.returncode, done.stderr or done.stdout)
        return Done(done.returncode, done.stdout, done.stderr)

    def lines(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """The objects that it prints, one a line, while it prints them."""
        with subprocess.Popen(  # noqa: S603
            self.command("--quiet", *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
        ) as process:
            for line in process.stdout or ():
                if line.startswith("{"):
                    yield json.loads(line)
            said = process.stderr.read() if process.stderr else ""
        if process.returncode:
            raise self._refusal(process.returncode, said)

    def command(self, *arguments: str) -> list[str]:
        return [self._program, *self._options, *arguments]

    def exists(self) -> bool:
        """Whether there is a repository, which the password opens."""
        try:
            self.run("cat", "config")
        except NoRepositoryError:
            return False
        return True

    def snapshots(self, host: str, tag: str = TAG) -> list[dict[str, Any]]:
        """Those of a host, oldest first."""
        tagged = ["--tag", tag] if tag else []
        done = self.run("snapshots", "--json", "--no-lock", "--host", host, *tagged)
        found = json.loads(done.out or "[]") or []
        if not found and _UNREADABLE.search(done.err):
            # It passes over what it cannot read, and ends well.
            raise self._refusal(1, done.err)
        return sorted(found, key=lambda one: str(one["time"]))

    def _refusal(self, code: int, said: str) -> ResticError:
        text = without_password(" ".join(said.split()))
        absent = NoRepositoryError(f"there is no repository at {self.target}")
        if code == 10:
            return absent
        if code == 12:
            text += " wrong password or no key found"
        last = without_password(_said(said))
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, text, re.IGNORECASE):
                return ResticError(meaning.format(target=self.target, said=last))
        if _ABSENT.search(said):
            return absent
        return ResticError(f"restic ended with {code}: {last or 'it said nothing'}")


def _said(text: str) -> str:
    """The line that says most: the one of the fatal error, or the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("Fatal:", "error", "Error"))]
    chosen = (fatal or lines or [""])[0 if fatal else -1]
    return chosen.removeprefix("Fatal:").strip()[:300]


def _with_login(repository: str, environment: Mapping[str, str]) -> str:
    """The address with name and password for a REST server, since the restic of Debian 12 knows them nowhere else."""
    user, password = (environment.get(f"RESTIC_REST_{name}", "") for name in ("USERNAME", "PASSWORD"))
    found = re.fullmatch(r"(rest:https?://)([^/@]+/.*)", repository)
    if not (user and password and found):
        return repository
    return f"{found[1]}{quote(user, safe='')}:{quote(password, safe='')}@{found[2]}"


def _ssh(settings: Settings, directory: str) -> list[str]:
    """How ssh is called: never with a question, and with what the inventory says of key and host."""
    found = re.fullmatch(r"sftp:(?://)?([^/:]+?)(?::(\d+)(?=/))?[:/].*", settings.repository)
    if not found or not settings.ssh:
        return []
    own = f"-o IdentityFile={directory}/ssh_key -o IdentitiesOnly=yes -o UserKnownHostsFile={directory}/known_hosts"
    port = f"-p {found[2]} " if found[2] else ""
    command = f"ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes {own} {port}{found[1]} -s sftp"
    return ["-o", f"sftp.command={command}"]


def environment(directory: str = DIRECTORY) -> dict[str, str]:
    """The secrets of the target."""
    path = f"{directory}/environment.json"
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as stream:
        found: dict[str, str] = json.load(stream)
    return found
