# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is adopted of a host, as it grows: variables, secrets, notes for people, and which differences are explained."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

_Item = TypeVar("_Item")

# Of notes, in the order in which people should read them.
KINDS = {
    "move": "To do by hand before the host is ours",
    "left": "Left out: it has no place in the inventory",
    "guess": "Understood by a guess: look at these",
    "replaced": "Replaced by what the collection has for it",
    "stays": "Stays on the host as it is, and is not in the inventory",
}


class Said(NamedTuple):
    """A value, and the file and line that it came from."""

    value: Any
    source: str


class Secret(NamedTuple):
    """A place in the file of secrets."""

    group: str
    name: str


class Note(NamedTuple):
    """Something for people."""

    kind: str  # one of KINDS
    source: str
    what: str
    todo: str = ""


class Explained(NamedTuple):
    """Differences that a run will show, and why."""

    path: str  # of the file, or the name of a task; * stands for anything
    items: Sequence[str]  # what in there: names of settings, networks, addresses; ["*"] is all of it
    why: str


class Adopted:
    """What becomes of a host."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.notes: list[Note] = []
        self.explained: list[Explained] = []
        self.aside: list[str] = []  # files that ours replace, and that would be read beside them
        self.before: dict[str, dict[str, str]] = {}  # what files said that ours say in another place

    def set(self, variable: str, value: Any, source: str = "") -> None:
        """Give a variable its value, unless it has none."""
        if value not in (None, [], {}):
            self.variables[variable] = Said(value, source) if source else value

    def add(self, variable: str, value: Any, source: str = "", under: str = "") -> None:
        """Add to a list, or to a list in a dictionary."""
        place = self.variables.setdefault(variable, {} if under else [])
        (place.setdefault(under, []) if under else place).append(Said(value, source) if source else value)

    def put(self, variable: str, key: str, value: Any, source: str = "") -> None:
        """Add to a dictionary."""
        self.variables.setdefault(variable, {})[key] = Said(value, source) if source else value

    def keep_secret(self, group: str, name: str, value: Any) -> Secret:
        """Put a value into the file of secrets."""
        self.secrets.setdefault(group, {})[name] = value
        return Secret(group, name)

    def note(self, kind: str, source: str, what: str, todo: str = "") -> None:
        self.notes.append(Note(kind, source, what, todo))

    def explain(self, path: str, why: str, *items: str) -> None:
        """Say why a file will be different: in these items of it."""
        if items:
            self.explained.append(Explained(path, items, why))

    def explain_names(self, path: str, why: str, *names: str) -> None:
        """The same of items that may hold what is a pattern otherwise: every client is called *."""
        self.explain(path, why, *map(glob.escape, names))

    def explain_all(self, path: str, why: str) -> None:
        """Say why a file will be different, whatever in it."""
        self.explain(path, why, "*")


def place(path: str, number: int) -> str:
    """A file and a line of it."""
    return f"{path}:{number}"


def line_of(text: str, begin: str) -> int:
    """The number of the last line that begins so, which is the one that a shell obeys; 1 where there is none."""
    numbers = [number for number, line in enumerate(text.split("\n"), 1) if line.lstrip().startswith(begin)]
    return numbers[-1] if numbers else 1


def acceptable(
    items: Sequence[_Item], check: Callable[[list[_Item]], object]
) -> tuple[list[_Item], list[tuple[_Item, str]]]:
    """The items that a check does not refuse when it sees them together, and the others with what it says to them."""
    kept: list[_Item] = []
    waiting: list[tuple[_Item, str]] = [(item, "") for item in items]
    while waiting:
        kept, refused = _sift([item for item, _said in waiting], check, kept)
        if len(refused) == len(waiting):
            return kept, refused
        waiting = refused  # one may have needed another that came after it
    return kept, []


def _sift(
    items: Sequence[_Item], check: Callable[[list[_Item]], object], kept: list[_Item]
) -> tuple[list[_Item], list[tuple[_Item, str]]]:
    try:
        check([*kept, *items])
    except ValueError as error:
        if len(items) == 1:
            return kept, [(items[0], str(error))]
        half = len(items) // 2
        kept, first = _sift(items[:half], check, kept)
        kept, second = _sift(items[half:], check, kept)
        return kept, first + second
    return [*kept, *items], []


def plain(value: Any) -> Any:
    """A value without where it came from."""
    if isinstance(value, Said):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Secret):
        return [plain(entry) for entry in value]
    return value


def commented_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """The lines that are neither empty nor a comment, with their numbers and the comment right above each."""
    above: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            above.append(line.strip("# \t\r"))
            continue
        if line.strip():
            yield number, line, " ".join(filter(None, above))
        above = []
