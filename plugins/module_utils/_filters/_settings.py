# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a filter or a watch: a dataclass has names, types and defaults, and refuses what makes no sense."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_Settings = TypeVar("_Settings")

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}


class SettingsError(ValueError):
    """A setting that is unknown, of the wrong type or without sense."""


def build(kind: type[_Settings], given: Mapping[str, Any]) -> _Settings:
    """Settings of this kind from what the inventory says, or SettingsError, which names the setting."""
    fit(get_type_hints(kind), given)
    return kind(**given)


def fit(hints: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse a setting that has no type among these, or a value of another type."""
    for name, value in given.items():
        if name not in hints:
            close = get_close_matches(str(name), hints, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(hints) or 'no settings'}"
            raise SettingsError(f"there is no setting {name}; {hint}")
        if not _fits(value, hints[name]):
            raise SettingsError(f"{name} is {value!r}; write {_described(hints[name])}")


def refuse(name: str, value: object, instead: str) -> None:
    """Refuse a value that has the right type."""
    raise SettingsError(f"{name} is {value!r}; write {instead}")


def pattern(name: str, value: str) -> re.Pattern[str]:
    """A regular expression, compiled without regard to case."""
    try:
        return re.compile(value, re.IGNORECASE)
    except re.error as error:
        raise SettingsError(f"{name}: the regular expression {value!r} does not compile: {error}") from error


def networks(
    name: str, values: Iterable[str], such: str = "192.0.2.0/24 or 2001:db8::/32"
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks, or SettingsError, which says what one is such as."""
    found = []
    for value in values:
        try:
            found.append(ipaddress.ip_network(value))
        except ValueError:
            refuse(name, value, f"networks such as {such}")
    return found


def written(settings: Any) -> dict[str, Any]:
    """What differs from the defaults."""
    plain = type(settings)()
    return {
        field.name: getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != getattr(plain, field.name)
    }


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(one, arguments[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(one, arguments[1]) for key, one in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)


def _described(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(one) for one in arguments)
    if origin is list:
        return f"a list, each entry {_described(arguments[0])}"
    if origin is dict:
        return f"a dictionary, each value {_described(arguments[1])}"
    return _NAMES.get(hint, str(hint))
