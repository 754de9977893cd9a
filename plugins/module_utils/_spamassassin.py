# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of ours among those of SpamAssassin: settings, rules, scores, and what Perl and SpamAssassin say of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

KINDS = ("header", "body", "rawbody", "uri", "full", "meta")

# Words that begin a line about a rule, which is no setting.
_RULE_WORDS = (*KINDS, "score", "describe", "test", "priority", "tflags")

# In SpamAssassin's pattern every delimiter that Perl knows.
_PATTERN = re.compile(
    r"m?(?P<open>[/{(\[<!#|,@%~'\"])(?P<text>.*)(?P<close>[/})\]>!#|,@%~'\"])(?P<flags>[a-z]*)", re.DOTALL
)
_CLOSING = {"{": "}", "(": ")", "[": "]", "<": ">"}


class SpamassassinError(ValueError):
    """A setting, rule or score that SpamAssassin would refuse, or pass over."""


class Rule(NamedTuple):
    """A rule as SpamAssassin has it."""

    name: str
    kind: str  # one of KINDS
    definition: str
    score: float | None = None
    describe: str | None = None


class Pattern(NamedTuple):
    """A regular expression of a rule, for Perl to look at."""

    rule: str
    text: str
    flags: str


def render(
    settings: Mapping[str, object], rules: Sequence[Rule], scores: Mapping[str, object], plugins: Sequence[str] = ()
) -> str:
    """The text of the file. `plugins` are lines about those of ours."""
    # They come first: the settings may have some of theirs (clamd_timeout).
    lines = ["# Managed by courier.mail", *plugins]
    for name, value in settings.items():
        lines += _setting(name, value)
    seen: set[str] = set()
    if "GTUBE" in {*scores, *(rule.name for rule in rules)}:
        raise SpamassassinError(
            "GTUBE is how each run sees that spam is found; leave its rule and its score as SpamAssassin has them"
        )
    for rule in rules:
        if rule.name in seen:
            raise SpamassassinError(f"rule {rule.name} is listed twice; SpamAssassin would take the last")
        seen.add(rule.name)
        lines += _rule(rule)
        if rule.score is not None and rule.name in scores:
            raise SpamassassinError(
                f"rule {rule.name} has a score, and another in the list of scores; leave one of them out"
            )
    lines += [f"score {_name(name)} {_score(name, value)}" for name, value in scores.items()]
    return "\n".join((*lines, ""))


def patterns(rules: Iterable[Rule]) -> Iterator[Pattern]:
    """The regular expressions in rules."""
    for rule in rules:
        if rule.kind == "meta" or rule.definition.startswith(("eval:", "exists:")):
            continue
        text = rule.definition
        if rule.kind == "header":
            text = re.split(r"[=!]~\s*", text, maxsplit=1)[1]
            text = re.sub(r"\s+\[if-unset:.*\]$", "", text)
        match = _PATTERN.fullmatch(text.strip())
        if not match or match["close"] != _CLOSING.get(match["open"], match["open"]):
            raise SpamassassinError(
                f"rule {rule.name}: {text!r} is not a regular expression; write it as /…/ or m{{…}}"
            )
        yield Pattern(rule.name, match["text"], match["flags"])


def objections(said: str, names: Iterable[str]) -> list[str]:
    """What SpamAssassin says against its files in a lint with `-D config,rules`, without its timestamps.

    It only whispers of a score that no rule has, and of a rule that asks for another that there is not. Its own rules
    have some of these, so ours are told by their names.
    """
    ours = set(names)
    found = []
    for line in said.splitlines():
        _time, _process, words = line.partition("] ")
        level, _colon, words = words.partition(": ")
        if level == "warn" and not words.startswith("lint: "):
            found.append(re.sub(r" in \S*/\S+ \(line \d+\)", "", re.sub(r"^(config|rules): ", "", words)))
        elif match := re.match(r"config: (?:warning: )?score set for non-existent rule (\S+)", words):
            if match[1] in ours:
                found.append(f"there is no rule {match[1]} that could have a score")
        elif (match := re.match(r"rules: meta test (\S+) has undefined dependency '(\S+)'", words)) and match[
            1
        ] in ours:
            found.append(f"rule {match[1]} asks for {match[2]}, and there is no such rule")
    return list(dict.fromkeys(found))


def _setting(name: str, value: object) -> list[str]:
    if name in _RULE_WORDS:
        raise SpamassassinError(f"{name} is about a rule; write it in spamassassin_rules or spamassassin_scores")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SpamassassinError(f"{name!r} is not a setting of SpamAssassin; write one such as required_score")
    return [f"{name} {_line(name, one)}" for one in (value if isinstance(value, list) else [value])]


def _rule(rule: Rule) -> list[str]:
    _name(rule.name)
    if rule.kind not in KINDS:
        raise SpamassassinError(
            f"rule {rule.name}: there are no rules of the kind {rule.kind}; write {', '.join(KINDS)}"
        )
    if rule.kind == "header" and not re.match(r"(exists:|eval:)|.*?[=!]~", rule.definition):
        raise SpamassassinError(f"rule {rule.name}: write which header, and what for, such as Subject =~ /…/")
    list(patterns([rule]))
    lines = [f"{rule.kind} {rule.name} {_line(f'rule {rule.name}', rule.definition)}"]
    if rule.score is not None:
        if rule.name.startswith("__"):
            raise SpamassassinError(f"rule {rule.name} counts in other rules only, as its name says, and has no score")
        lines.append(f"score {rule.name} {_score(rule.name, rule.score)}")
    if rule.describe:
        lines.append(f"describe {rule.name} {_line(f'rule {rule.name}', rule.describe)}")
    return lines


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
        raise SpamassassinError(f"{name!r} is not a name of a rule; write it in capitals, such as OUR_SHOP")
    return name


def _score(name: str, value: object) -> str:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
        raise SpamassassinError(f"{name}: the score {value!r} is not a number; write one such as 2.5 or -1")
    return str(value)


def _line(what: str, value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, str | int | float) or not (text := str(value).strip()) or "\n" in text:
        raise SpamassassinError(f"{what}: {value!r} is not a value in one line")
    if re.search(r"(?<!\\)#", text):
        raise SpamassassinError(f"{what}: SpamAssassin takes what follows # for a comment; write \\#")
    return text
