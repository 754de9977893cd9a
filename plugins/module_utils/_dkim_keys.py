# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DKIM keys of a host: which are there, which sign, and the steps from one pair to the next.

A step works on the state that signing.json says and on the keys that lie there, and gives the state that shall be.
Nothing is written here.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ._courier.dkim import ALGORITHMS, DkimError, Given, Key, Retired, Signing, newest, stem

DAY = 86400


class Wanted(NamedTuple):
    """What the inventory says."""

    domains: Sequence[str]  # the first signs what no other does
    prefix: str
    given: Sequence[Given]
    directory: str

    def keys(self, domain: str) -> list[Given]:
        return [one for one in self.given if one.domain == domain]

    def path(self, domain: str, selector: str) -> str:
        return os.path.join(self.directory, domain, f"{selector}.private")


class Step(NamedTuple):
    """What shall be, and what the operator is told."""

    signing: Signing
    made: list[tuple[str, Key]]  # keys that are to be made, with their domains
    warnings: list[str]
    removed: list[Key] = []  # noqa: RUF012 -- nobody adds to it


def keep(wanted: Wanted, now: Signing, today: datetime.date) -> Step:
    """Every domain signs; nothing that signs is changed."""
    step = Step(
        Signing(
            {domain: keys for domain, keys in now.active.items() if domain in wanted.domains},
            {domain: keys for domain, keys in now.next.items() if domain in wanted.domains and _there(keys)},
            {domain: keys for domain, keys in now.retired.items() if domain in wanted.domains},
        ),
        [],
        [],
    )
    for domain in wanted.domains:
        given = [Key(one.selector, one.algorithm, wanted.path(domain, one.selector)) for one in wanted.keys(domain)]
        active = step.signing.active.get(domain)
        if not active:
            step.signing.active[domain] = given or _found(wanted, domain) or _made(step, wanted, domain, today)
        elif given and sorted(given) != sorted(active):
            step.signing.next[domain] = given
    return step


def prepare(wanted: Wanted, now: Signing, today: datetime.date) -> Step:
    """Every domain has keys that will sign, beside those that do."""
    step = keep(wanted, now, today)
    for domain in wanted.domains:
        if wanted.keys(domain):
            if domain not in step.signing.next:
                step.warnings.append(
                    f"the keys of {domain} are given by the inventory, and stay; to change them, write others into "
                    "mail_dkim_keys, with other selectors"
                )
        elif domain not in step.signing.next and domain in now.active:
            step.signing.next[domain] = _made(step, wanted, domain, today)
    return step


def switch(now: Signing, domains: Sequence[str], at: int) -> Signing:
    """The next keys of these domains sign from now on."""
    active, following = dict(now.active), dict(now.next)
    retired = {domain: list(keys) for domain, keys in now.retired.items()}
    for domain in domains:
        keys = following.pop(domain)
        old = [Retired(one, at) for one in active.get(domain, []) if one not in keys]
        active[domain] = keys
        kept = [one for one in retired.get(domain, []) if one.key not in keys]
        retired[domain] = kept + [one for one in old if os.path.exists(one.key.path)]
    return Signing(active, following, retired)


def retire(now: Signing, days: int, at: int) -> tuple[Signing, list[Key]]:
    """Without the keys that have not signed for so many days, and these."""
    gone = [one.key for keys in now.retired.values() for one in keys if one.since + days * DAY <= at]
    left = {domain: [one for one in keys if one.key not in gone] for domain, keys in now.retired.items()}
    return now._replace(retired=left), gone


def parked(directory: str, domains: Sequence[str]) -> list[str]:
    """Domains that have keys here and do not sign."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return sorted(name for name in names if name not in domains and _selectors(os.path.join(directory, name)))


def refuse_gone(signing: Signing, made: Sequence[tuple[str, Key]], written: Sequence[str]) -> None:
    """Raise DkimError where a key that signs is not there, is not brought either, and no other waits to follow it."""
    new = {key.path for _domain, key in made} | set(written)
    for domain, keys in signing.active.items():
        if domain in signing.next:
            continue
        for key in keys:
            if key.path not in new and not os.path.exists(key.path):
                raise DkimError(
                    f"{key.path} is gone, with which {domain} signs, and its mail waits; bring it back, or have other "
                    "keys made and published: ansible-playbook courier.mail.dkim -e dkim_rotate=true"
                )


def wait(
    shown: Callable[[], set[str]], all_of: set[str], over: Callable[[], bool], pause: Callable[[], None]
) -> set[str]:
    """Ask which domains are shown until all are, or the time is over."""
    while True:
        found = shown()
        if found >= all_of or over():
            return found
        pause()


def _made(step: Step, wanted: Wanted, domain: str, today: datetime.date) -> list[Key]:
    taken = {*_selectors(os.path.join(wanted.directory, domain))}
    begin = stem(wanted.prefix, today, taken)
    names = {algorithm: f"{begin}-{algorithm}" for algorithm in ALGORITHMS}
    keys = [Key(selector, algorithm, wanted.path(domain, selector)) for algorithm, selector in names.items()]
    step.made.extend((domain, key) for key in keys)
    return keys


def _found(wanted: Wanted, domain: str) -> list[Key]:
    """Keys of a domain that has signed here before."""
    pair = newest(_selectors(os.path.join(wanted.directory, domain)))
    return [Key(selector, one, wanted.path(domain, selector)) for one, selector in sorted(pair.items(), reverse=True)]


def _there(keys: Sequence[Key]) -> bool:
    return all(os.path.exists(key.path) for key in keys)


def _selectors(directory: str) -> list[str]:
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return [name.removesuffix(".private") for name in names if name.endswith(".private")]
