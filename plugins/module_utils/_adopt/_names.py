# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a host has, which mail is its own, and its files of one value each."""

from __future__ import annotations

import re

from .._courier import domains, values
from .._courier.domains import DomainError, Lists, normalise
from ._host import COURIER, Host
from ._packaged import PACKAGED
from ._plan import Adopted, line_of, place

# What the roles say by themselves, as far as it is not Courier's own.
_OURS = {
    "sizelimit": "26214400",
    "enablefiltering": "esmtp local",
}
# Those that other variables say.
_ELSEWHERE = ("me", "defaultdomain", "bofh", "locallowercase")
_REPLACED = {
    "module.esmtp": "as many deliveries at a time as the package has",
    "module.local": "as many deliveries at a time as the package has",
    "dsnfrom": "delivery reports come from mailer-daemon@ the host",
    "sizelimit": "25 MiB, which most of the world takes",
    "enablefiltering": "what programs of the host send is filtered, too",
    "locallowercase": "alice@ and Alice@ are one person",
    "bofh": "mail_policy, mail_spf and the traps are said there, and mail stays as it was signed",
}
_WHOLE = re.compile(r"^@([^\s:#]+)[ \t]*:", re.MULTILINE)
_TEXTS = re.compile(r"dsn[a-z]+\.txt")
# What else is read of /etc/courier; directories have a slash.
_READ = (
    *(
        "locals",
        "hosteddomains",
        "hosteddomains/",
        "esmtpacceptmailfor",
        "esmtpacceptmailfor.dir/",
        "userdb",
        "userdb/",
    ),
    *("aliases", "aliases/", "aliasdir/", "esmtproutes", "esmtpauthclient", "smtpaccess", "smtpaccess/"),
)
# Courier's files that the collection neither reads nor writes, and what they are.
_STAYING = {
    "ipout": "the address that mail goes out from",
    "ip6out": "the address that mail goes out from over IPv6",
    "imapaccess": "who may connect to IMAP",
    "maildroprc": "rules of maildrop",
    "quotawarnmsg": "what people read whose mailbox is nearly full",
    "shared/index": "folders that several people read; mail_shared_folders has its own file for them",
}
_LISTS = ("hosteddomains", "esmtpacceptmailfor.dir", "esmtpacceptmailfor", "locals")
_SIZE = re.compile(r"\s*([0-9]+)\s*([KMG])i?B?\s*", re.IGNORECASE)
_BYTES = {"K": 2**10, "M": 2**20, "G": 2**30}


class Names:
    """What the lists of domains say, in the spelling of Courier."""

    def __init__(self, host: Host) -> None:
        self.nonsense: list[tuple[str, str]] = []  # names that Courier never matches, and what is wrong with them
        self.me = first_line(host.text("me")).lower() or host.name
        self.default = first_line(host.text("defaultdomain")).lower() or self.me
        hosted = self._entries(host, "hosteddomains")
        taken = self._entries(host, "esmtpacceptmailfor.dir")
        # The plain list counts as well; where there is none, mail for me is taken.
        plain = self._plain(host, "esmtpacceptmailfor")
        local = self._plain(host, "locals")
        accepted = dict.fromkeys([*taken, *plain])
        lists = Lists(
            "".join(f"{name}\n" for name in local),
            "".join(f"{name}\t{target}\n" if target else f"{name}\n" for name, target in hosted.items()),
            "".join(f"{name}\n" for name in accepted),
        )
        self.hosted, self.aliases, self.local, backup = domains.parse(lists)
        self.accepted = [normalise(name) for name in accepted]
        # Domains that an alias for all of them alone makes ours.
        whole = {name.lower() for text in host.below("aliases").values() for name in _WHOLE.findall(text)}
        self.virtual = [name for name in backup if name in whole]
        self.backup = [name for name in backup if name not in whole]

    def _entries(self, host: Host, directory: str) -> dict[str, str]:
        text = "".join(_ended(text) for text in host.below(directory).values())
        entries = domains.parse_makedat(text)
        return {
            name: target for name, target in entries.items() if self._is_name(name) and self._is_name(target or name)
        }

    def _plain(self, host: Host, file: str) -> list[str]:
        text = host.text(file)
        names = domains.parse_plain(self.me if text is None else text)
        return [name for name in names if self._is_name(name.removeprefix("!"))]

    def _is_name(self, name: str) -> bool:
        try:
            return bool(normalise(name))
        except DomainError as error:
            self.nonsense.append((name, str(error)))
            return False

    @property
    def ours(self) -> list[str]:
        """The domains that have a name space of their own here."""
        return [*self.hosted, *self.aliases, *self.shared, *self.virtual]

    @property
    def shared(self) -> list[str]:
        """The local domains in which people may have addresses; the one that names without a domain get comes first."""
        names = [name for name in self.local if name not in ("localhost", self.me) and name[0] not in "!."]
        return sorted(names, key=lambda name: name != self.default)


def first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0].strip()


def find(host: Host, directory: str, name: str) -> str:
    """The file and line in a list that have a domain."""
    for path, text in host.below(directory).items():
        for number, line in enumerate(text.split("\n"), 1):
            if line.partition("\t")[0].strip().lower() == name:
                return place(path, number)
    return f"{COURIER}/{directory}"


def take_names(host: Host, names: Names, adopted: Adopted) -> None:
    """The name of the host, and the lists of domains but for those that have mailboxes."""
    adopted.set("mail_hostname", names.me, f"{COURIER}/me:1" if host.text("me") else "the host's own name")
    if names.default != names.me:
        adopted.set("courier_mta_default_domain", names.default, f"{COURIER}/defaultdomain:1")
    mailname = first_line(host.files.get("/etc/mailname"))
    if mailname != names.me:
        adopted.explain_all(
            "/etc/mailname", f"it is the name of the host, {names.me}, instead of {mailname or 'nothing'}"
        )
    for name, said in names.nonsense:
        directory = next((one for one in _LISTS if ":" in find(host, one, name.lower())), "hosteddomains")
        adopted.note("left", find(host, directory, name.lower()), said)
    for name in names.backup:
        adopted.add("courier_mta_backup_domains", name, find(host, "esmtpacceptmailfor.dir", name))
    for name in names.local:
        if name in ("localhost", names.me) or name in names.shared:
            continue
        adopted.add("courier_mta_local_domains", name, find(host, "locals", name))
    if "courier_mta_local_domains" in adopted.variables:
        adopted.variables["courier_mta_local_domains"] += ["localhost", names.me]
    for name in [*names.hosted, *names.aliases, *names.shared]:
        if name not in names.accepted:
            adopted.note(
                "guess",
                find(host, "hosteddomains", name),
                f"{name} has mailboxes, and Courier takes no mail for it from outside; the collection does",
                "take it out of mail_domains if nobody outside is to write to it",
            )
    _take_lists(host, names, adopted)


def _take_lists(host: Host, names: Names, adopted: Adopted) -> None:
    before = {"local": names.local, "hosted": [*names.hosted, *names.aliases], "accepted": names.accepted}
    adopted.before |= {kind: dict.fromkeys(found, "") for kind, found in before.items()}
    adopted.before["hosted"] |= names.aliases
    for directory in ("hosteddomains", "esmtpacceptmailfor.dir"):
        adopted.aside += [path for path in host.below(directory) if path != f"{COURIER}/{directory}/site"]
    if "localhost" not in names.local:
        adopted.explain(f"{COURIER}/locals", "names of the host itself", "localhost")
        adopted.explain(f"{COURIER}/esmtpacceptmailfor.dir/site", "names of the host itself", "localhost")
    for name in (*names.local, *names.hosted, *names.aliases):
        if name not in names.accepted:
            adopted.explain(f"{COURIER}/esmtpacceptmailfor.dir/site", "what has mailboxes is accepted", name)
    for name in names.shared:
        why = "people have addresses in it, so it has a name space of its own"
        adopted.explain(f"{COURIER}/locals", why, name)
        adopted.explain(f"{COURIER}/hosteddomains/site", why, name)


def take_values(host: Host, adopted: Adopted) -> None:
    """The files of one value each, where they say something else than the package and the roles."""
    for name, file in values.FILES.items():
        path, text = f"{COURIER}/{name}", host.text(name)
        if name in _REPLACED and (name in _ELSEWHERE or text is None or path in host.pristine):
            adopted.explain_all(path, _REPLACED[name])
        if _TEXTS.fullmatch(name):
            _take_text(host, adopted, name)
        elif text is not None and name not in _ELSEWHERE and path not in host.pristine:
            _take_value(adopted, name, file, text)


def name_the_rest(host: Host, adopted: Adopted) -> None:
    """The files of Courier's that nothing was taken of."""
    for path, text in sorted(host.files.items()):
        name = path.removeprefix(f"{COURIER}/")
        if name == path or path in host.pristine or not text.strip() or name.endswith((".pem", ".crt", ".key")):
            continue
        if name in values.FILES or name in PACKAGED or name in _READ or name.startswith(_DIRECTORIES):
            continue
        what = _STAYING.get(name) or _STAYING.get(name.partition("/")[0]) or "nothing here reads or writes it"
        adopted.note("stays", place(path, 1), f"{name}: {what}")


_DIRECTORIES = tuple(name for name in _READ if name.endswith("/"))


def _take_value(adopted: Adopted, name: str, file: values.File, text: str) -> None:
    path = f"{COURIER}/{name}"
    value = values.parse(name, text)
    if isinstance(file.kind, values.Size) and (size := _SIZE.fullmatch(first_line(text))):
        meant = int(size[1]) * _BYTES[size[2].upper()]
        adopted.note("guess", place(path, 1), f"Courier reads {first_line(text)} as {value} bytes; {meant} was meant")
        value = meant
    # A time is kept as it was written.
    written = first_line(text).strip() if isinstance(file.kind, values.Time) else value
    if first_line(text) == _OURS.get(name) or (name == "dsnfrom" and "mailer-daemon@" in text):
        adopted.explain_all(path, _REPLACED[name])
        return
    try:
        if values.render(name, written) != text:
            adopted.explain_all(path, "the same in Courier's own spelling, or what was meant")
    except values.ValuesError as error:
        adopted.note("left", place(path, 1), str(error), f"write courier_mta_files.{name}, or let Courier's default be")
        adopted.explain_all(path, "what was there has no sense to Courier")
        return
    adopted.put("courier_mta_files", name, written, place(path, 1))


def _take_text(host: Host, adopted: Adopted, name: str) -> None:
    path, text = f"{COURIER}/{name}", host.text(name)
    if text is None or path in host.pristine:
        adopted.explain_all(path, "what people read in delivery reports is the collection's own text")
        return
    value: object = first_line(text) if name.startswith("dsnsubject") else text
    try:
        values.render(name, value)
    except values.ValuesError as error:
        adopted.note("left", place(path, 1), str(error), "write courier_mta_dsn_texts")
        adopted.explain_all(path, "the text of the host is none that Courier can use")
        return
    adopted.put("courier_mta_files", name, value, place(path, 1))


def take_mail_domains(host: Host, names: Names, adopted: Adopted, people: list[str]) -> None:
    """The domains that have mailboxes. people are the addresses of all accounts."""
    with_people = {address.rpartition("@")[2] for address in people}
    for name in names.hosted:
        adopted.add("mail_domains", name, find(host, "hosteddomains", name))
    for name in names.shared:
        first = names.shared[0]
        if name == first or name in with_people:
            adopted.add("mail_domains", name, find(host, "locals", name))
        else:
            adopted.put("mail_domain_aliases", name, first, find(host, "locals", name))
    for name, target in names.aliases.items():
        adopted.put("mail_domain_aliases", name, target, find(host, "hosteddomains", name))
    for name in names.virtual:
        source = find(host, "esmtpacceptmailfor.dir", name)
        adopted.add("mail_domains", name, source)
        adopted.note(
            "guess",
            source,
            f"{name} has no mailboxes, and one alias for all of it; if it is a host that sends through this one",
            "make it a satellite (mail_smarthost), and take it out of mail_domains and mail_aliases",
        )
        why = "a domain of one alias has a name space of its own"
        adopted.explain(f"{COURIER}/hosteddomains/site", why, name)


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"


def setting_line(host: Host, name: str, key: str) -> str:
    """The file and line that set a key."""
    return place(f"{COURIER}/{name}", line_of(host.text(name) or "", f"{key}="))
