# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code of this collection that writes files: all of them, or none.

A module renders every text first, so that a refusal changes nothing, and hands the texts over in one call.
Compiled databases belong to their texts: they are made anew when they are missing or older, so that a run which died
between the two is healed by the next, and when the compiler refuses a text, the old texts come back.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pathlib
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


# More entries of a list than anybody reads in an answer.
MANY = 1000

# The arguments that modules of Courier's files have in common, documented in plugins/doc_fragments/files.py.
FILES_SPEC: dict[str, Any] = {
    "directory": {"type": "path", "default": "/etc/courier"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "courier"},
}


class File(NamedTuple):
    """A file as it shall be. Without a text it shall not be there."""

    path: str
    text: str | None
    owner: str = "root"
    group: str = "courier"
    mode: int = 0o640
    # What a diff may show of the text; for texts with secrets.
    shown: Callable[[str], str] = str
    # A file that gets the time of the removal, for whoever read this one: what is gone has no time of its own.
    mark: str | None = None


class Directory(NamedTuple):
    """A directory as it shall be."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


class Link(NamedTuple):
    """A symbolic link as it shall be. Without a target it shall not be there."""

    path: str
    target: str | None
    over: bool = False  # whether a file in its place goes; otherwise that is left, or refused


class Database(NamedTuple):
    """A file that one of Courier's programs compiles from texts."""

    path: str
    sources: Sequence[str]  # files, or directories of files
    command: Sequence[str]


class Files(NamedTuple):
    """What a module writes, and what is compiled from it."""

    files: Sequence[File]
    databases: Sequence[Database] = ()
    warnings: Sequence[str] = ()


def run(
    module: AnsibleModule,
    plan: Callable[[dict[str, Any]], Files],
    check: Callable[[AnsibleModule, Files], None] | None = None,
) -> None:
    """Be a module that renders its arguments and writes the texts.

    plan touches nothing, so that the action plugin `validate` can ask it before the first host is touched. check asks
    the programs of the host what they think of the texts, before they are written. A ValueError that either raises is
    a sentence for the postmaster.
    """
    try:
        wanted = plan(module.params)
        if check:
            check(module, wanted)
    except ValueError as error:
        module.fail_json(msg=str(error))
    for name, value in module.params.items():
        # Ansible sends the arguments back.
        if isinstance(value, list) and len(value) > MANY:
            module.params[name] = f"{len(value)} entries"
    for warning in wanted.warnings:
        module.warn(warning)
    module.exit_json(**ensure(module, wanted.files, wanted.databases))


def ensure(
    module: AnsibleModule,
    files: Sequence[File],
    databases: Sequence[Database] = (),
    accepted_by: Sequence[str] = (),
) -> dict[str, Any]:
    """Bring files and databases into the state wanted and return what exit_json needs.

    Returns changed, diff, files (the paths that changed) and compiled (the databases made anew).
    Fails the module, with every file as it was before, when a file cannot be written, a compiler refuses, or the
    command accepted_by does, which is asked when a file has changed.
    """
    before = {file.path: read(file.path) for file in files}
    differing = [file for file in files if before[file.path] != file.text or not _attributes_match(file)]
    written = {file.path for file in differing}
    outdated = [database for database in databases if _stale(database, written)]
    result = {
        "changed": bool(differing or outdated),
        "diff": [_diff(file, before[file.path]) for file in differing],
        "files": sorted(written),
        "compiled": sorted(database.path for database in outdated),
    }
    if module.check_mode:
        return result
    found = [_as_found(file, before[file.path]) for file in differing]
    times = _times(path for file in found for path in (file.path, os.path.dirname(file.path)))
    try:
        for file in differing:
            _put(file)
        for database in outdated:
            _ask(module, database.command)
        if differing and accepted_by:
            _ask(module, accepted_by)
    except _Refused as refused:
        module.fail_json(msg=f"{refused.what} and {_put_back(module, found, times, outdated)}: {refused.reason}")
    return result


def ensure_places(module: AnsibleModule, places: Sequence[Directory | Link]) -> dict[str, Any]:
    """Bring directories and links into the state wanted and return what ensure does, but for databases.

    A directory is made in the place of nothing only, and so is a link that does not go over what is there; otherwise
    the module fails.
    """
    before = {place.path: _seen(place) for place in places}
    differing = [place for place in places if before[place.path] != _wanted(place)]
    for place in () if module.check_mode else differing:
        try:
            _make(place)
        except (OSError, KeyError) as error:
            module.fail_json(msg=f"{place.path} cannot be made: {error}")
    return {
        "changed": bool(differing),
        "diff": [
            {
                "before_header": place.path,
                "after_header": place.path,
                "before": before[place.path],
                "after": _wanted(place),
            }
            for place in differing
        ],
        "files": [place.path for place in differing],
    }


def together(*results: dict[str, Any]) -> dict[str, Any]:
    """What several of these have returned, in their order."""
    return {
        "changed": any(result["changed"] for result in results),
        "diff": [part for result in results for part in result["diff"]],
        "files": [path for result in results for path in result["files"]],
    }


def read(path: str) -> str | None:
    """The text of a file, or None where there is none. Bytes that are not UTF-8 survive a round trip."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


class _Refused(Exception):
    """What went wrong, as the beginning of a sentence, and why."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason


def _as_found(file: File, text: str | None) -> File:
    """What puts a file back."""
    if text is None:
        return file._replace(text=None)
    seen = os.stat(file.path)
    return File(file.path, text, str(seen.st_uid), str(seen.st_gid), stat.S_IMODE(seen.st_mode))


def _ask(module: AnsibleModule, command: Sequence[str]) -> None:
    program = command[0]
    try:
        code, stdout, stderr = module.run_command(list(command), handle_exceptions=False)
    except OSError as error:
        raise _Refused(f"{program} cannot be run", str(error.strerror)) from error
    if code != 0:
        raise _Refused(f"{program} refused", (stderr or stdout).strip())


def _times(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Of what is there, when it was read and written last, in nanoseconds."""
    seen = {path: os.stat(path) for path in paths if os.path.exists(path)}
    return {path: (one.st_atime_ns, one.st_mtime_ns) for path, one in seen.items()}


def _put_back(
    module: AnsibleModule, found: Sequence[File], times: Mapping[str, tuple[int, int]], outdated: Sequence[Database]
) -> str:
    """Put files back, and the databases that were compiled from what was in their place."""
    try:
        for file in found:
            _put(file)
        # Nobody has read what was in their place, so nothing is to be restarted for it.
        for path, when in times.items():
            os.utime(path, ns=when)
    except _Refused as refused:
        return f"putting the old files back failed too ({refused.what}: {refused.reason})"
    for database in outdated:
        with contextlib.suppress(_Refused):  # it has just refused, and keeps its old database
            _ask(module, database.command)
    return "the old files were put back"


def _put(file: File) -> None:
    if file.text is None:
        if file.mark:
            pathlib.Path(file.mark).touch()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.path)
        return
    directory, name = os.path.split(file.path)
    try:
        # Born private and moved into place with its final owner and mode. Courier's compilers read
        # whole directories; they pass over hidden names and names that hold a tilde, so both are set.
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix="~", dir=directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                stream.write(file.text)
                os.fchown(descriptor, _uid(file.owner), _gid(file.group))
                os.fchmod(descriptor, file.mode)
                stream.flush()
                os.fsync(descriptor)
            os.replace(temporary, file.path)
        except BaseException:
            os.unlink(temporary)
            raise
    except (OSError, KeyError) as error:
        raise _Refused(f"{file.path} cannot be written", str(error)) from error


def _seen(place: Directory | Link) -> str:
    """What is there, in words for a diff; nothing where nothing is."""
    if isinstance(place, Link):
        if os.path.islink(place.path):
            return f"a link to {os.readlink(place.path)}\n"
        return "something else\n" if place.over and os.path.lexists(place.path) else ""
    if not os.path.isdir(place.path):
        return ""
    seen = os.stat(place.path)
    try:
        same = (seen.st_uid, seen.st_gid) == (_uid(place.owner), _gid(place.group))
    except KeyError:  # nobody of that name yet: a check run before the packages are there
        same = False
    owner, group = (place.owner, place.group) if same else (str(seen.st_uid), str(seen.st_gid))
    return f"a directory, owner {owner}, group {group}, mode {stat.S_IMODE(seen.st_mode):04o}\n"


def _wanted(place: Directory | Link) -> str:
    if isinstance(place, Link):
        return f"a link to {place.target}\n" if place.target else ""
    return f"a directory, owner {place.owner}, group {place.group}, mode {place.mode:04o}\n"


def _make(place: Directory | Link) -> None:
    if isinstance(place, Directory):
        uid, gid = _uid(place.owner), _gid(place.group)
        pathlib.Path(place.path).mkdir(0o755, parents=True, exist_ok=True)
        os.chown(place.path, uid, gid)
        os.chmod(place.path, place.mode)
        return
    if not place.target:
        os.unlink(place.path)
        return
    if not place.over and os.path.lexists(place.path) and not os.path.islink(place.path):
        raise FileExistsError(errno.EEXIST, "something else is there", place.path)
    # Whoever follows the link meanwhile finds the old target or the new one. Names that are hidden are passed over.
    directory, name = os.path.split(place.path)
    temporary = os.path.join(directory, f".{name}~")
    with contextlib.suppress(FileNotFoundError):  # of a run that died here
        os.unlink(temporary)
    os.symlink(place.target, temporary)
    os.replace(temporary, place.path)


def _attributes_match(file: File) -> bool:
    try:
        seen = os.stat(file.path)
    except (FileNotFoundError, NotADirectoryError):
        return file.text is None
    try:
        wanted = (_uid(file.owner), _gid(file.group), file.mode)
    except KeyError:  # nobody of that name yet: a check run before the packages are there
        return False
    return (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == wanted


def _stale(database: Database, written: set[str]) -> bool:
    try:
        compiled = os.stat(database.path).st_mtime_ns
    except FileNotFoundError:
        return True
    for source in database.sources:
        if any(path == source or os.path.dirname(path) == source for path in written):
            return True
        if any(os.path.exists(path) and os.stat(path).st_mtime_ns > compiled for path in (source, *_below(source))):
            return True
    return False


def _below(directory: str) -> list[str]:
    return [entry.path for entry in os.scandir(directory)] if os.path.isdir(directory) else []


def _diff(file: File, before: str | None) -> dict[str, str]:
    shown_before = "" if before is None else file.shown(before)
    shown_after = "" if file.text is None else file.shown(file.text)
    if before == file.text:
        shown_before, shown_after = "", f"owner {file.owner}, group {file.group}, mode {file.mode:04o}\n"
    return {"before_header": file.path, "after_header": file.path, "before": shown_before, "after": shown_after}


def _uid(owner: str) -> int:
    return int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid


def _gid(group: str) -> int:
    return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
