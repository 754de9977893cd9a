# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's bofh: which senders, recipients and clients submit refuses.

The format is that of courier/bofh.c, which passes over everything it does not understand.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from . import terms
from .domains import DomainError, normalise

_SPF_RESULTS = frozenset({"error", "fail", "neutral", "none", "pass", "softfail", "unknown"})
_SPF_CHECK = _SPF_RESULTS | {"all", "allowok", "off"}
# The options of Courier itself, with the words that a list in them can hold. Any other name is environment for filters.
_OPTIONS: dict[str, frozenset[str]] = {
    "BOFHCHECKDNS": frozenset(),
    "BOFHCHECKHELO": frozenset(),
    "BOFHHEADERLIMIT": frozenset(),
    "BOFHNOBASE64TEXT": frozenset(),
    "BOFHNOEXPN": frozenset(),
    "BOFHNOVRFY": frozenset(),
    "BOFHSPFFROM": _SPF_CHECK | {"mailfromok"},
    "BOFHSPFHARDERROR": _SPF_RESULTS,
    "BOFHSPFHELO": _SPF_CHECK,
    "BOFHSPFMAILFROM": _SPF_CHECK,
    "BOFHSPFNOVERBOSE": frozenset(),
    "BOFHSPFTRUSTME": frozenset(),
    "BOFHSUPPRESSBACKSCATTER": frozenset({"authsmtp", "none", "smtp"}),
}
_SPF_OPTIONS = {
    "helo": "BOFHSPFHELO",
    "mailfrom": "BOFHSPFMAILFROM",
    "from": "BOFHSPFFROM",
    "hard_errors": "BOFHSPFHARDERROR",
}
# What RFC 7208 calls otherwise.
_COURIERS = {"temperror": "error", "permerror": "unknown", "off": "[] for no check"}
_SPF_CHECKS = ("BOFHSPFFROM", "BOFHSPFHELO", "BOFHSPFMAILFROM")
_OPTION = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")

# What a policy may say: by its kind, what each entry has beside the terms; what it must have comes first.
_POLICY = {
    "senders": ("address",),
    "exchangers": ("address",),
    "freemail": ("domain", "hosts"),
    "most_recipients": ("number", "hard"),
    "checks": ("check", "on_failure"),
}
# What happens to whoever does not pass a check, in the words of a policy. Courier has one answer for a sender's domain.
_CHECKS = {
    "helo": {"refuse": "opt BOFHCHECKHELO=1", "defer": "opt BOFHCHECKHELO=2", "pass": ""},
    "sender_domain": {"refuse": "", "pass": ""},  # a setting of the listeners, which wins over bofh
}

_LINE_BYTES = 8190  # BUFSIZ without the LF and the NUL; what is beyond is read as the next line


class BofhError(ValueError):
    """A line that Courier would pass over or misread."""


class _Rule(NamedTuple):
    heeds: int | None  # how many words after the keyword Courier reads
    accepts: Callable[[list[str]], bool]
    needs: str


def render(lines: Iterable[str]) -> str:
    """Write the rules in the order given, comments and empty lines included."""
    lines = list(lines)
    earlier: dict[str, str] = {}
    for line in lines:
        setting = _check(line)
        if setting in earlier:
            pair = f"{line!r} and {earlier[setting]!r} exclude each other"
            raise BofhError(f"{pair if line != earlier[setting] else f'{line!r} is there twice'}; keep one")
        if setting:
            earlier[setting] = line
    return "".join(f"{line}\n" for line in lines)


def refuse_for_own(lines: Iterable[str]) -> None:
    """Refuse checks of SPF that hit whoever logs in or may relay, too."""
    options = dict(words[0].split("=", 1) for keyword, words in map(_split, lines) if keyword == "opt")
    checked = [f"{name}={options[name]}" for name in _SPF_CHECKS if options.get(name, "off") != "off"]
    if checked and "BOFHSPFTRUSTME" not in options:
        raise BofhError(
            f"'opt {checked[0]}' also refuses our own people and servers, whom the SPF of their domain does not name "
            "where they are; add opt BOFHSPFTRUSTME=1, which exempts whoever may relay, or =0 if that is meant"
        )


def spf_rules(checks: Mapping[str, Sequence[str]]) -> list[str]:
    """The lines for checks of SPF: by what is checked, the results that are let in; nothing is checked for nothing.

    `hard_errors` are the results that are refused for good, of those that are not let in.
    """
    unknown = [name for name in checks if name not in _SPF_OPTIONS]
    if unknown:
        raise BofhError(f"mail_spf: nothing of SPF is called {unknown[0]}; write {', '.join(_SPF_OPTIONS)}")
    for name, words in checks.items():
        if not isinstance(words, list):
            raise BofhError(
                f"mail_spf: {name} is {words!r}; write a list of results, such as [pass, none], or [] for no check"
            )
        for word in words:
            if word == "off" or word not in _OPTIONS[_SPF_OPTIONS[name]]:
                instead = _COURIERS.get(str(word)) or ", ".join(sorted(_OPTIONS[_SPF_OPTIONS[name]] - {"off"}))
                raise BofhError(f"mail_spf: {name}: there is no result {word!r} for Courier; write {instead}")
    lines = [f"opt {option}={','.join(checks[name])}" for name, option in _SPF_OPTIONS.items() if checks.get(name)]
    # Whoever may relay is ours, and the SPF of his domain does not name where he is.
    return ["opt BOFHSPFTRUSTME=1", *lines] if lines else []


def policy_rules(policy: Mapping[str, object], own: Iterable[str] = ()) -> list[str]:
    """The lines for a policy, each below its reason. `own` are domains of ours, whose senders cannot all be refused."""
    lines: list[str] = []
    passes = {entry.get("check") for entry in _entries(policy, "checks") if entry.get("on_failure") == "pass"}
    if "sender_domain" in passes and policy.get("exchangers"):
        raise BofhError(
            "mail_policy: exchangers are found by the check sender_domain, which is to pass everybody; "
            "leave out one of them"
        )
    for kind in policy:
        if kind not in _POLICY:
            raise BofhError(f"mail_policy: there is nothing called {kind}; write {_nearest(kind, _POLICY)}")
    own = [normalise(domain) for domain in own]
    for kind in _POLICY:
        for entry in _entries(policy, kind):
            said = _terms(kind, entry)
            try:
                line = _policy_line(kind, entry)
                if line:
                    _check(line)
            except BofhError as error:
                raise BofhError(f"mail_policy: {kind}: {error}") from None
            if kind == "senders":
                _refuse_all_of_ours(str(entry["address"]), own)
            lines += [f"# {terms.comment(said)}", line] if line else []
    return lines


def spf_checks(lines: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The checks of SPF that these lines make, as spf_rules takes them, and the lines that it would not write."""
    options = {option: name for name, option in _SPF_OPTIONS.items()}
    checks: dict[str, list[str]] = {}
    rest = []
    for line in lines:
        keyword, words = _split(line)
        option, _separator, value = words[0].partition("=") if words else ("", "", "")
        results = [] if value == "off" else value.split(",")
        if keyword == "opt" and option in options and _OPTIONS[option].issuperset(results):
            checks[options[option]] = results
        else:
            rest.append(line)
    if any(checks.values()):
        rest = [line for line in rest if _split(line) != ("opt", ["BOFHSPFTRUSTME=1"])]
    return checks, rest


def policy(rules: Iterable[tuple[str, str]], own: Iterable[str] = ()) -> tuple[dict[str, Any], list[str], list[str]]:
    """What policy_rules would write these rules for, each with its reason; the rules that it never writes; refusals.

    Refused are rules that policy_rules would not write for a site with the domains `own`.
    """
    found: dict[str, Any] = {}
    rest, refused = [], []
    for line, reason in rules:
        keyword, words = _split(line)
        said = _as_policy(keyword, words)
        if said is None:
            rest.append(line)
            continue
        kind, entry = said
        entry["reason"] = reason
        try:
            policy_rules({kind: entry if kind == "most_recipients" else [entry]}, own)
        except BofhError as error:
            refused.append(f"{line}: {str(error).removeprefix(f'mail_policy: {kind}: ')}")
            continue
        if kind == "most_recipients":
            found.setdefault(kind, entry)
        else:
            found.setdefault(kind, []).append(entry)
    return found, rest, refused


def _as_policy(keyword: str, words: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    if keyword == "opt" and words and words[0] in ("BOFHCHECKHELO=1", "BOFHCHECKHELO=2"):
        return "checks", {"check": "helo", "on_failure": "refuse" if words[0].endswith("1") else "defer"}
    if not words:
        return None
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "badfrom": ("senders", {"address": words[0]}),
        "badmx": ("exchangers", {"address": words[0]}),
        "freemail": ("freemail", {"domain": words[0], "hosts": list(words[1:])}),
        "maxrcpts": (
            "most_recipients",
            {
                "number": int(words[0]) if words[0].isdigit() else words[0],
                "hard": "hard" in [word.lower() for word in words[1:2]],
            },
        ),
    }
    return known.get(keyword)


def _number(word: str) -> int | str:
    return int(word) if word.isdigit() else word


def policy_notices(policy: Mapping[str, object]) -> list[str]:
    """What a run has to say of entries of a policy that end soon. Raises TermsError for one that has ended."""
    return terms.notices(
        (f"mail_policy: {kind}: {entry.get(_POLICY[kind][0])}", _terms(kind, entry))
        for kind in _POLICY
        for entry in _entries(policy, kind)
    )


def _entries(policy: Mapping[str, object], kind: str) -> list[Mapping[str, object]]:
    found = policy.get(kind) or []
    entries = [found] if isinstance(found, Mapping) else found
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        first = _POLICY[kind][0]
        raise BofhError(f"mail_policy: {kind} is {found!r}; write entries with {first} and reason")
    return entries


def _terms(kind: str, entry: Mapping[str, object]) -> terms.Terms:
    needed, *_rest = keys = _POLICY[kind]
    for key in entry:
        if key not in (*keys, *terms.Terms._fields):
            accepted = ", ".join((*keys, *terms.Terms._fields))
            raise BofhError(f"mail_policy: {kind}: there is nothing called {key}; write one of {accepted}")
    if entry.get(needed) in (None, ""):
        raise BofhError(f"mail_policy: {kind}: an entry has no {needed}: {dict(entry)}")
    said = terms.Terms(*(None if entry.get(name) is None else str(entry[name]) for name in terms.Terms._fields))
    if not said.reason:
        raise BofhError(
            f"mail_policy: {kind}: {entry[needed]} has no reason; write why, or nobody will dare to take it out"
        )
    return said


def _policy_line(kind: str, entry: Mapping[str, object]) -> str:
    first = str(entry[_POLICY[kind][0]])
    if kind == "senders":
        return f"badfrom {first}"
    if kind == "exchangers":
        return f"badmx {first}"
    if kind == "freemail":
        hosts = entry.get("hosts") or []
        if not isinstance(hosts, list):
            raise BofhError(f"hosts of {first} is {hosts!r}; write a list of domains, such as [mx.example.net]")
        return " ".join(["freemail", first, *map(str, hosts)])
    if kind == "most_recipients":
        hard = entry.get("hard", False)
        if not isinstance(hard, bool):
            raise BofhError(f"hard is {hard!r}; write true, which refuses the rest for good, or false, which defers it")
        return f"maxrcpts {first}{' hard' if hard else ''}"
    answer = entry.get("on_failure", "refuse")
    if first not in _CHECKS or answer not in _CHECKS[first]:
        accepted = "; ".join(f"{check} with {' or '.join(answers)}" for check, answers in _CHECKS.items())
        raise BofhError(f"there is no check {first} with on_failure {answer}; write {accepted}")
    return _CHECKS[first][str(answer)]


def _refuse_all_of_ours(address: str, own: Iterable[str]) -> None:
    """Courier refuses a sender whoever sends: strangers, people who logged in, and programs of the host."""
    user, _at, domain = address.partition("@")
    pattern = normalise(domain)
    for ours in own:
        if not user and (ours == pattern or (pattern.startswith(".") and ours.endswith(pattern))):
            raise BofhError(
                f"mail_policy: senders: {address} would refuse whatever people and programs of {ours} send, too; "
                "name other domains, or single addresses (against strangers in our name: freemail, or mail_spf)"
            )


def parse(text: str) -> list[str]:
    """The rules as Courier reads them, without comments, superfluous blanks, and what it passes over."""
    rules = []
    for line in text.split("\n"):
        keyword, words = _split(line)
        if keyword in _RULES and words:
            rules.append(" ".join([keyword, *words[: _RULES[keyword].heeds]]))
    return rules


def _split(line: str) -> tuple[str, list[str]]:
    keyword, *words = re.findall(r"[^ \t\r]+", line.partition("#")[0]) or [""]
    return keyword.lower(), words


def _check(line: str) -> str | None:
    """Refuse what Courier would not heed. Returns the name of what one line only can set."""
    if "\n" in line or len(line.encode(errors="surrogateescape")) > _LINE_BYTES:
        raise BofhError(f"{line[:40]!r} is more than one line to Courier; write lines of at most {_LINE_BYTES} bytes")
    if not line.lstrip(" \t\r").startswith("#") and re.search(r"[^ \t\r#]#", line):
        raise BofhError(f"{line!r} ends at its #; put a blank in front of a comment")
    keyword, words = _split(line)
    if not keyword:
        return None
    rule = _RULES.get(keyword)
    if rule is None:
        raise BofhError(f"{line!r} is no rule of Courier's; write {_nearest(keyword, _RULES)}")
    if not rule.accepts(words):
        raise BofhError(f"{line!r} needs {rule.needs}")
    if keyword == "badmx":
        _check_printed(line, words[0])
    if keyword == "opt":
        return _check_option(line, words[0])
    return keyword if keyword == "maxrcpts" else None


def _check_printed(line: str, word: str) -> None:
    # Courier compares the text that inet_ntop prints, without ::ffff:.
    address = ipaddress.ip_address(word)
    printed = str(getattr(address, "ipv4_mapped", None) or address)
    if word != printed:
        raise BofhError(f"{line!r} never matches; write badmx {printed}")


def _check_option(line: str, word: str) -> str:
    name, _separator, value = word.partition("=")
    if name.startswith("BOFH") and name not in _OPTIONS:
        raise BofhError(f"{line!r} sets nothing that Courier reads; write {_nearest(name, _OPTIONS)}")
    accepted = _OPTIONS.get(name)
    if accepted and not accepted.issuperset(value.split(",")):
        raise BofhError(f"{line!r} needs words out of {', '.join(sorted(accepted))}, joined by commas")
    return name


def _nearest(word: str, words: Iterable[str]) -> str:
    return " or ".join(get_close_matches(word, words, 2, 0.75) or words)


def _one_address(words: list[str]) -> bool:
    return len(words) == 1 and _domains([words[0].partition("@")[2].removeprefix(".")])


def _domains(words: list[str]) -> bool:
    try:
        return bool(words) and not any(normalise(word).startswith(".") for word in words)
    except DomainError:
        return False


def _one_ip_address(words: list[str]) -> bool:
    try:
        return bool(ipaddress.ip_address(" ".join(words)))
    except ValueError:
        return False


def _limit(words: list[str]) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,8}(?: hard)?", " ".join(words), re.IGNORECASE))


def _one_option(words: list[str]) -> bool:
    return len(words) == 1 and bool(_OPTION.fullmatch(words[0]))


_ADDRESS = "one address, such as user@example.com, @example.com or @.example.com"
_RULES = {
    "badfrom": _Rule(1, _one_address, _ADDRESS),
    "badmx": _Rule(1, _one_ip_address, "one IP address, such as badmx 192.0.2.25"),
    "freemail": _Rule(None, _domains, "domains without a dot in front, such as freemail example.com mx.example.net"),
    "maxrcpts": _Rule(2, _limit, "a number, and hard or nothing after it, such as maxrcpts 20 hard"),
    "opt": _Rule(1, _one_option, "NAME=value without blanks, such as opt BOFHCHECKHELO=1"),
    "spamtrap": _Rule(1, _one_address, _ADDRESS),
}
