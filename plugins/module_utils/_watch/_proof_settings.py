# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proved about mail: in which directions, how often, and whose letters are expected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from . import _proof_token as proof_token
from ._places import STATE
from ._settings import SettingsError, build, refuse

PART = "proofs"
# The key that a host makes for itself, where it is given none.
OWN = "own"
_SHORTEST = 16  # characters of a secret
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
_SECRET = re.compile(r"[!-~]+")

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Direction:
    """A way that mail takes, and letters that are sent on it."""

    # What it is called in findings and metrics.
    name: str = ""
    # Where the letters go.
    to: str = ""
    # How it is known that they arrived: answer (whoever gets them is such a host, too, and answers), report (nobody
    # gets them, and a report about that comes back), return (they come back themselves, or are quoted in what does), or
    # receiver (whoever gets them looks).
    way: str = proof_token.ANSWER
    # Minutes from one letter to the next, and for one to be proved.
    every: int = 60
    within: int = 30
    # From whom, if not from the address of this host.
    sender: str = ""
    # The name of the key that signs, if not the one that signs all.
    key: str = ""
    # The login with which they are submitted on a port of a server; without one, sendmail gets them.
    login: str = ""
    server: str = ""
    port: int = 587

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            refuse("name", self.name, "a name of small letters, digits, dots and hyphens, such as outside")
        where = f"{self.name}: "
        if not proof_token.ADDRESS.fullmatch(self.to):
            refuse(f"{where}to", self.to, "an address such as proof@example.net")
        if self.way not in proof_token.WAYS:
            refuse(f"{where}way", self.way, " or ".join(proof_token.WAYS))
        _range(f"{where}every", self.every, 5, 10080)
        _range(f"{where}within", self.within, 1, 10080)
        if self.sender and not proof_token.ADDRESS.fullmatch(self.sender):
            refuse(f"{where}sender", self.sender, "an address such as proof@example.com")
        if self.login and not proof_token.ADDRESS.fullmatch(self.login):
            refuse(f"{where}login", self.login, "the address of an account")
        if bool(self.login) != bool(self.server):
            raise SettingsError(f"{where}there is one of login and server; write both, or neither")
        _range(f"{where}port", self.port, 1, 65535)


@dataclass(frozen=True)
class Expected:
    """Letters of another host that must come here."""

    site: str = ""
    host: str = ""
    direction: str = ""
    every: int = 60
    within: int = 30

    def __post_init__(self) -> None:
        for name in ("site", "host", "direction"):
            if not proof_token.NAME.fullmatch(getattr(self, name)):
                refuse(name, getattr(self, name), "a name such as sat1.example.com")
        _range("every", self.every, 5, 10080)
        _range("within", self.within, 1, 10080)


@dataclass(frozen=True)
class Settings:
    """See the page docs/proved-mail.md."""

    # The name that the hosts have in common that know the same keys, and that of this host.
    site: str = ""
    host: str = ""
    # The address to which answers and reports come, and whether they come to this host.
    address: str = ""
    home: bool = True
    # What is sent, and what must come.
    directions: list[dict[str, object]] = field(default_factory=list)
    expected: list[dict[str, object]] = field(default_factory=list)
    # Secrets by site and name, as example.com/2026, and the name of the one that signs. Without any, the host makes one
    # for itself.
    keys: dict[str, str] = field(default_factory=dict)
    key: str = ""
    # Passwords of accounts that letters are submitted with.
    logins: dict[str, str] = field(default_factory=dict)
    # A file of certificates that are believed there, beside those of known authorities.
    trust: str = ""
    # Hours after which a letter counts as lost, and an older one is no proof.
    lost: int = 24
    # Letters of a direction that may be on their way.
    waiting: int = 10
    # Answers within an hour.
    answers: int = 120
    # Days for which is known what became of letters.
    days: int = 30
    # Bytes of a message that is looked at.
    message_bytes: int = 1 << 20
    # Where that is, and the host's own key.
    store: str = f"{STATE}/proofs.sqlite"
    own_key: str = f"{STATE}/proofs.key"

    def __post_init__(self) -> None:
        self._check_names()
        self._check_keys()
        for name, (least, most) in _RANGES.items():
            _range(name, getattr(self, name), least, most)
        self._check_directions()
        for one in self.awaited():
            if one.site == self.site and one.host == self.host:
                raise SettingsError(f"expected: {one.direction} is of this host itself; write it into directions")
            if not any(name.partition("/")[0] == one.site for name in self.keys):
                raise SettingsError(
                    f"expected: letters of {one.host} cannot be believed without a key of {one.site}; write one"
                )

    def ways(self) -> list[Direction]:
        """The directions."""
        return _built("directions", Direction, self.directions)

    def awaited(self) -> list[Expected]:
        """What is expected."""
        return _built("expected", Expected, self.expected)

    def _check_names(self) -> None:
        for name in ("site", "host"):
            if not proof_token.NAME.fullmatch(getattr(self, name)):
                refuse(name, getattr(self, name), "a name such as mx1.example.com")
        if not proof_token.ADDRESS.fullmatch(self.address):
            refuse("address", self.address, "an address such as proof@example.com")
        for name in ("store", "own_key"):
            if not getattr(self, name).startswith("/"):
                refuse(name, getattr(self, name), "a path that begins with /")
        if self.trust and not self.trust.startswith("/"):
            refuse("trust", self.trust, "the path of a PEM file")

    def _check_keys(self) -> None:
        for name, secret in self.keys.items():
            site, slash, key = name.partition("/")
            if not slash or not proof_token.NAME.fullmatch(site) or not proof_token.NAME.fullmatch(key):
                refuse("the name of a key", name, "the site and a name, as example.com/2026")
            if key == OWN:
                raise SettingsError(f"the key {name} cannot be called {OWN}, which is what a host makes for itself")
            if len(secret) < _SHORTEST or not _SECRET.fullmatch(secret):
                raise SettingsError(
                    f"the key {name} is not {_SHORTEST} characters or more without blanks; "
                    "make it with: openssl rand -base64 24"
                )
        if self.key and f"{self.site}/{self.key}" not in self.keys:
            raise SettingsError(
                f"key is {self.key!r}, and there is no {self.site}/{self.key} among keys; write it there"
            )

    def _check_directions(self) -> None:
        seen = set()
        for one in self.ways():
            if one.name in seen:
                raise SettingsError(f"directions: {one.name} is there twice; call one of them otherwise")
            seen.add(one.name)
            if one.key and f"{self.site}/{one.key}" not in self.keys:
                raise SettingsError(
                    f"directions: {one.name}: there is no key {self.site}/{one.key}; write it into keys"
                )
            if one.within > self.lost * 60:
                refuse(f"directions: {one.name}: within", one.within, f"minutes up to lost, which is {self.lost} hours")
            if one.login and one.login not in self.logins:
                raise SettingsError(f"directions: {one.name}: nobody knows the password of {one.login}; write it")
            if not self.home and one.way == proof_token.ANSWER:
                raise SettingsError(
                    f"directions: {one.name}: no answer comes to this host; write way: {proof_token.RECEIVER}, "
                    "and have whoever gets the letters expect them"
                )


_RANGES = {
    "lost": (1, 168),
    "waiting": (2, 100),
    "answers": (1, 10000),
    "days": (2, 400),
    "message_bytes": (1 << 16, 32 << 20),
}


def _built(name: str, kind: type[_Part], given: Sequence[Mapping[str, Any]]) -> list[_Part]:
    found = []
    for one in given:
        try:
            found.append(build(kind, one))
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
    return found


def _range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        refuse(name, value, f"a number from {least} to {most}")
