# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dkim_keys
short_description: Have keys that sign the mail of domains, and change them in step with DNS
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes an RSA key of 2048 bits and an Ed25519 key for each domain, once and on the host, or takes those of the
    inventory. A private key never leaves the host.
  - A key is C(DOMAIN/SELECTOR.private) below O(directory), with what DNS shall say of it beside it in
    C(DOMAIN/SELECTOR.txt). C(signing.json) says which keys sign; signers read it again when it changes.
  - Keys that sign are changed in three stages, each of which may be run as often as one likes. RV(records) has the keys
    of all stages, to be published.
  - A domain that leaves O(domains) no longer signs. Its keys stay on the host, and sign again when it comes back.
  - A key that others than its owner and group can read is put right, with a warning, since nobody knows who has read
    it.
  - Refuses an RSA key below 2048 bits, a key of another kind or with a passphrase, a selector that is no label of DNS,
    and another key under a selector that is in use.
requirements:
  - openssl
  - dnspython (Debian package C(python3-dnspython)) for O(stage=switch)
options:
  domains:
    description:
      - Domains that sign. With the keys of the first, what is from no domain with a key is signed. Where there is none,
        nothing signs.
    type: list
    elements: str
    required: true
  prefix:
    description: How the selectors of keys that are made begin; day and algorithm follow, as in C(mx1-20260101-rsa).
    type: str
    required: true
  keys:
    description:
      - Keys that are given. A domain that has some here has no others.
      - Where other keys sign already, these wait for O(stage=switch).
    type: list
    elements: dict
    default: []
    suboptions:
      domain:
        description: The domain, one of O(domains).
        type: str
        required: true
      selector:
        description: Its selector, one label.
        type: str
        required: true
      private_key:
        description: The key in PEM, RSA or Ed25519, without a passphrase.
        type: str
        required: true
  stage:
    description:
      - V(keep) makes what is missing, and changes nothing that signs. V(next) makes keys that will sign. V(switch) lets
        them sign when DNS shows them, and retires the old ones. V(retire) removes keys that were retired long enough.
    type: str
    choices: [keep, next, switch, retire]
    default: keep
  wait:
    description: Seconds that O(stage=switch) waits until the resolver of this host shows the keys; 0 looks once.
    type: int
    default: 0
  retire_days:
    description: Days that a key stays when it no longer signs, since mail that it signed may still be on its way.
    type: int
    default: 7
  directory:
    description: Where keys are. Its directories have the mode C(0750), and the keys C(0640).
    type: path
    default: /etc/courier/dkim
  linked:
    description: Whether O(links) has a link for each domain to its RSA key, as zdkimfilter wants it.
    type: bool
    default: false
  links:
    description: The directory of these links. Links to keys of O(directory) that are not wanted are removed.
    type: path
    default: /etc/courier/filters/keys
  owner:
    description: Owner of keys and directories.
    type: str
    default: root
  group:
    description: Group of keys and directories; signers are in it.
    type: str
    default: courier
attributes:
  check_mode:
    support: full
    description: Of keys that would be made, nothing can be said yet. Looks at DNS once.
  diff_mode:
    support: full
    description: Private keys are left out.
"""

EXAMPLES = r"""
- name: Have keys
  courier.mail.dkim_keys:
    domains: [example.com, example.org]
    prefix: mx1

- name: Let the next keys sign when DNS shows them
  courier.mail.dkim_keys:
    domains: [example.com, example.org]
    prefix: mx1
    stage: switch
    wait: 600
"""

RETURN = r"""
records:
  description:
    - What to publish, as TXT records. C(state) is C(active) for keys that sign, C(next) for those that will, C(retired)
      for those that did and are still looked for.
  returned: success
  type: list
  elements: dict
  sample:
    - name: mx1-20260101-ed25519._domainkey.example.com
      text: v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
      state: active
files:
  description: The files, directories and links that changed, or would.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/dkim/signing.json]
switched:
  description: Domains whose keys were changed.
  returned: success
  type: list
  elements: str
  sample: [example.com]
waiting:
  description: Domains whose next keys DNS does not show yet.
  returned: success
  type: list
  elements: str
  sample: []
"""

import datetime
import os
import stat
import time
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils import _dkim_keys, _dns
from ..module_utils._courier import dkim
from ..module_utils._courier.dkim import DkimError, Key, Signing
from ..module_utils._dkim_keys import Step, Wanted
from ..module_utils._managed_file import Directory, File, Link, ensure, ensure_places, read, together
from ..module_utils._openssl import OpenSSL
from ..module_utils._pem import PemError, private_key, without_keys

GIVEN = {
    "domain": {"type": "str", "required": True},
    "selector": {"type": "str", "required": True},
    "private_key": {"type": "str", "required": True, "no_log": True},
}
SPEC: dict[str, Any] = {
    "domains": {"type": "list", "elements": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "keys": {"type": "list", "elements": "dict", "options": GIVEN, "default": [], "no_log": False},
    "stage": {"type": "str", "choices": ["keep", "next", "switch", "retire"], "default": "keep"},
    "wait": {"type": "int", "default": 0},
    "retire_days": {"type": "int", "default": 7},
    "directory": {"type": "path", "default": "/etc/courier/dkim"},
    "linked": {"type": "bool", "default": False},
    "links": {"type": "path", "default": "/etc/courier/filters/keys"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "courier"},
}
PAUSE = 5.0  # seconds between two looks at DNS
MADE = "(made by the run)\n"
STATES = ("active", "next", "retired")


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        Keys(module, plan(module.params)).run()
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))


def plan(params: dict[str, Any]) -> Wanted:
    """What the arguments ask for, wherever they are looked at."""
    domains = list(dict.fromkeys(map(dkim.domain, params["domains"])))
    dkim.refuse_prefix(params["prefix"])
    if params["retire_days"] < 1:
        raise DkimError(
            f"retire_days is {params['retire_days']}; write 1 or more: what an old key signed is on its way"
        )
    return Wanted(domains, params["prefix"].lower(), dkim.given(params["keys"], domains), params["directory"])


class Keys:
    """The keys of this host."""

    def __init__(self, module: AnsibleModule, wanted: Wanted) -> None:
        self.module, self.wanted, self.params = module, wanted, module.params
        self.openssl = OpenSSL(module)
        self.able = bool(module.get_bin_path("openssl"))
        self.signing = os.path.join(wanted.directory, "signing.json")
        self.texts: dict[str, str] = {}  # of private keys, by their paths
        self.waiting: list[str] = []

    def run(self) -> None:
        if not self.able and not self.module.check_mode:
            raise DkimError("openssl is not there to make and read keys; install openssl")
        now, step = self._step()
        switched = sorted(of for of, keys in step.signing.active.items() if now.active.get(of, keys) != keys)
        self._collect(step)
        directories = self._directories(step.signing) if self.wanted.domains else []
        links, files = self._links(step.signing), self._files(step)
        # Keys go into the directories, and links lead to keys.
        result = together(
            ensure_places(self.module, directories), ensure(self.module, files), ensure_places(self.module, links)
        )
        result["files"].sort()
        for warning in step.warnings:
            self.module.warn(warning)
        result |= {"records": self._records(step.signing), "switched": switched, "waiting": self.waiting}
        if self.waiting and not self.module.check_mode:
            self.module.fail_json(msg=self._not_shown(step.signing), **result)
        self.module.exit_json(**result)

    # What shall be.

    def _step(self) -> tuple[Signing, Step]:
        text = read(self.signing)
        try:
            now = dkim.parse(text) if text is not None else Signing({}, {}, {})
        except DkimError as error:
            raise DkimError(
                f"{self.signing} cannot be read, and nobody knows what signs ({error}); remove it, and the newest will"
            ) from error
        stage, today = self.params["stage"], datetime.datetime.now(datetime.UTC).date()
        if stage == "next":
            step = _dkim_keys.prepare(self.wanted, now, today)
        else:
            step = _dkim_keys.keep(self.wanted, now, today)
        if stage == "switch":
            step = step._replace(signing=self._switched(step.signing))
        elif stage == "retire":
            left, gone = _dkim_keys.retire(step.signing, self.params["retire_days"], int(time.time()))
            step = step._replace(signing=left, removed=gone)
        given = [self.wanted.path(one.domain, one.selector) for one in self.wanted.given]
        if stage in ("keep", "retire"):
            _dkim_keys.refuse_gone(step.signing, step.made, given)
        for domain in _dkim_keys.parked(self.wanted.directory, self.wanted.domains):
            step.warnings.append(
                f"{domain} does not sign here any more; its keys stay in {self.wanted.directory}/{domain}"
            )
        return now, step

    def _switched(self, now: Signing) -> Signing:
        if not now.next:
            return now
        if _dns.MISSING:
            if self.module.check_mode:
                return now
            self.module.fail_json(msg=missing_required_lib("dnspython"), exception=_dns.MISSING)
        end = time.monotonic() + (0 if self.module.check_mode else self.params["wait"])
        texts = {
            domain: {dkim.name(key.selector, domain): self._text(key) for key in keys}
            for domain, keys in now.next.items()
        }
        shown = _dkim_keys.wait(
            lambda: {domain for domain, records in texts.items() if all(map(_is_shown, records, records.values()))},
            set(texts),
            lambda: time.monotonic() >= end,
            lambda: time.sleep(min(PAUSE, max(0.0, end - time.monotonic()))),
        )
        self.waiting = sorted(set(texts) - shown)
        return _dkim_keys.switch(now, sorted(shown), int(time.time()))

    def _not_shown(self, signing: Signing) -> str:
        records = [
            f'{dkim.name(key.selector, of)} TXT "{self._text(key)}"' for of in self.waiting for key in signing.next[of]
        ]
        return (
            f"DNS does not show the next keys of {', '.join(self.waiting)} to this host; nothing has changed for them. "
            f"Publish these and run it again without dkim_rotate: {'; '.join(records)}"
        )

    # Files.

    def _collect(self, step: Step) -> None:
        """The texts of all private keys that stay, given ones and new ones too. Raises DkimError and PemError."""
        for one in self.wanted.given:
            path = self.wanted.path(one.domain, one.selector)
            there = read(path)
            if self.able:
                self.texts[path] = one.text
                if there is not None and self._public(there, path) != self._public(
                    one.text, f"{one.selector}, as given"
                ):
                    raise DkimError(
                        f"{path} is another key than mail_dkim_keys has for this selector, which DNS knows; give the "
                        "new key a selector of its own"
                    )
            self.texts[path] = one.text if there is None else there
        for _domain, key in step.made:
            self.texts[key.path] = MADE if self.module.check_mode else self.openssl.make_key(key.algorithm)
        for key in _all(step.signing):
            if key.path in self.texts or (text := read(key.path)) is None:
                continue
            pem = private_key(text, key.path)
            if dkim.kind(pem, key.path) != key.algorithm:
                raise DkimError(
                    f"{key.path} is no {key.algorithm} key, which {self.signing} says it is; put the right one there"
                )
            self.texts[key.path] = text
            if stat.S_IMODE(os.stat(key.path).st_mode) & 0o007:
                step.warnings.append(
                    f"{key.path} could be read by everybody on this host, which is put right; if somebody did, have "
                    "other keys made: ansible-playbook courier.mail.dkim -e dkim_rotate=true"
                )

    def _files(self, step: Step) -> list[File]:
        owner, group = self.params["owner"], self.params["group"]
        files = []
        for key in _all(step.signing):
            if key.path in self.texts:
                files.append(File(key.path, self.texts[key.path], owner, group, 0o640, shown=without_keys))
                files.append(File(_record_path(key), self._text(key) + "\n", owner, group, 0o640))
        # Last, when all that it names is there.
        default = next(iter(self.wanted.domains), None)
        files.append(File(self.signing, dkim.render(step.signing, default) if default else None, owner, group, 0o640))
        for key in step.removed:
            files += [File(key.path, None, shown=without_keys), File(_record_path(key), None)]
        return files

    def _directories(self, signing: Signing) -> list[Directory]:
        domains = sorted({os.path.dirname(key.path) for key in _all(signing)})
        paths = [self.wanted.directory, *domains, *([self.params["links"]] if self.params["linked"] else [])]
        return [Directory(path, self.params["owner"], self.params["group"], 0o750) for path in paths]

    def _links(self, signing: Signing) -> list[Link]:
        """The links that shall be, and those that shall not. Links of others are theirs."""
        directory = self.params["links"]
        found: dict[str, str | None] = {}
        for name in os.listdir(directory) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            target = os.path.join(directory, os.readlink(path)) if os.path.islink(path) else ""
            if os.path.normpath(target).startswith(f"{self.wanted.directory}/"):
                found[path] = None
        if self.params["linked"]:
            for domain, keys in signing.active.items():
                for key in keys:
                    if key.algorithm == "rsa":
                        found[os.path.join(directory, domain)] = os.path.relpath(key.path, directory)
        return [Link(path, target, over=True) for path, target in found.items()]

    # Records.

    def _records(self, signing: Signing) -> list[dict[str, str]]:
        found = []
        retired = {of: [one.key for one in keys] for of, keys in signing.retired.items()}
        for state, of_state in zip(STATES, (signing.active, signing.next, retired), strict=True):
            for domain in self.wanted.domains:
                for key in of_state.get(domain, []):
                    text = self._text(key)
                    if text != MADE.strip():
                        found.append({"name": dkim.name(key.selector, domain), "text": text, "state": state})
        return found

    def _text(self, key: Key) -> str:
        text = self.texts.get(key.path) or read(key.path) or MADE
        if text == MADE or not self.able:
            return MADE.strip()
        return dkim.record(self._public(text, key.path), key.algorithm)

    def _public(self, text: str, what: str) -> str:
        try:
            return self.openssl.public_key(private_key(text, what))
        except PemError as error:
            raise PemError(f"{what}: {error}") from error


def _all(signing: Signing) -> Iterable[Key]:
    """Each key once."""
    keys = [key for of_state in (signing.active, signing.next) for keys in of_state.values() for key in keys]
    return dict.fromkeys([*keys, *(one.key for keys in signing.retired.values() for one in keys)])


def _record_path(key: Key) -> str:
    return key.path.removesuffix("private") + "txt"


def _is_shown(name: str, text: str) -> bool:
    try:
        return dkim.is_published(_dns.ask(name, "TXT"), text)
    except _dns.NoAnswer:
        return False


if __name__ == "__main__":
    main()
