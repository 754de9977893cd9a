# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wrote a message that comes from outside: SPF, DKIM, ARC and DMARC, in one Authentication-Results.

What the domain in From wants done with mail that is not proven is done, as far as the operator follows it. Comes before
the whitelists: trusted peers get the field, and nothing is done to their mail.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from . import _addresses, _dkim, _dmarc, _results, _store
from ._junk import to_junk
from ._message import Message
from ._origin import is_trusted, origin
from ._resolve import Ask, Resolver, Temporary
from ._results import Finding, Spf
from ._settings import refuse as refuse_setting
from ._verdict import PASS, Outcome, Verdict, defer, refuse

_WHAT = {"reject": ("reject", "quarantine", "report"), "quarantine": ("quarantine", "report")}
_LARGE = 1 << 20  # bytes; a message is in memory several times while its signatures are verified
_LARGE_AT_A_TIME = 2
_LIBRARIES = ("authres.arc", "authres.dmarc", "dkim", "dns.resolver", "nacl.signing")
_HARDNESS = ("report", "quarantine", "reject")


@dataclass(frozen=True)
class Settings:
    # Our name in the field. The role says mail_hostname.
    host: str = "localhost"
    # Other names of ours: fields that strangers bring in them are removed too. The role says all mail servers.
    names: list[str] = field(default_factory=list)
    # Our own domains. The role says mail_domains and their other names.
    domains: list[str] = field(default_factory=list)
    # What it leads to that a domain wants mail refused that is not proven to be its own: reject, quarantine (into
    # Junk), report (which is to say so in the field, and do nothing).
    reject: str = "reject"
    # The same where a domain wants it in quarantine: quarantine, report.
    quarantine: str = "quarantine"
    # What it leads to at most for single domains in From, and those below them: quarantine, report.
    exceptions: dict[str, str] = field(default_factory=dict)
    # Domains whose ARC seals are believed: where they alone sealed a message and the first of them found the author
    # proven, nothing is done.
    trusted_sealers: list[str] = field(default_factory=list)
    # Mail of strangers with one of our own domains in From that is not proven: report (what we publish counts, as for
    # everybody), refuse.
    own_domains: str = "report"
    # What happens where DNS has no answer that would matter: defer, report.
    no_answer: str = "defer"
    # From that says nothing or several things: refuse, report.
    malformed: str = "refuse"
    # How many signatures of a message are looked at.
    signatures: int = _dkim.MOST
    # Whether results are kept for reports to the domains that want them.
    reports: bool = False
    store: str = _store.PATH
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        choices = {
            **_WHAT,
            "own_domains": ("report", "refuse"),
            "no_answer": ("defer", "report"),
            "malformed": ("refuse", "report"),
        }
        for name, words in choices.items():
            if getattr(self, name) not in words:
                refuse_setting(name, getattr(self, name), " or ".join(words))
        for domain, what in self.exceptions.items():
            if what not in _WHAT["quarantine"]:
                refuse_setting(f"exceptions: {domain}", what, "quarantine or report")
        named = {"exceptions": self.exceptions, "trusted_sealers": self.trusted_sealers, "domains": self.domains}
        for name, domains in named.items():
            for domain in domains:
                if not re.fullmatch(r"[^\s@.]+(\.[^\s@.]+)*", domain):
                    refuse_setting(name, domain, "domains such as example.net")
        if not re.fullmatch(r"[A-Za-z0-9.-]+", self.host):
            refuse_setting("host", self.host, "the name of this host, such as mx1.example.com")
        if not 1 <= self.signatures <= 50:
            refuse_setting("signatures", self.signatures, "a number from 1 to 50")


class Judged(NamedTuple):
    """What is known of one author, and what follows."""

    author: str
    result: str  # none, pass, fail, temperror
    policy: _dmarc.Policy | None = None
    dkim: bool = False  # whether a signature proves him
    spf: bool = False
    what: str = "report"  # of _HARDNESS; what is done, or would be if DNS had an answer
    why: str = ""  # what is done is not what the policy wants: the word of RFC 7489's reports, and a comment

    @property
    def proven(self) -> bool:
        return self.dkim or self.spf


class Found(NamedTuple):
    """All that is known of a message."""

    spf: Spf
    signatures: Sequence[_dkim.Signature]
    chain: _dkim.Chain
    judged: Sequence[Judged]


class Filter:
    """See the module."""

    def __init__(self, settings: Settings, resolver: Callable[[], Ask] = Resolver) -> None:
        self._settings = settings
        self._resolver = resolver
        # What is missing, or takes long, shall not wait for a message.
        for name in _LIBRARIES:
            importlib.import_module(name)
        _dmarc.organisational("example.net")
        self._mailboxes = _addresses.Read(settings.known)
        self._store = _store.Store(settings.store) if settings.reports else None
        self._large = threading.BoundedSemaphore(_LARGE_AT_A_TIME)
        self._found: weakref.WeakKeyDictionary[Message, Found] = weakref.WeakKeyDictionary()
        self._own = {_dmarc.to_ascii(domain) for domain in settings.domains}
        self._exceptions = {_dmarc.to_ascii(domain): what for domain, what in settings.exceptions.items()}
        self._sealers = {_dmarc.to_ascii(domain) for domain in settings.trusted_sealers}

    def check(self, message: Message) -> Verdict:
        kind, client = origin(message)
        if kind in ("relay", "local"):
            return PASS  # what our other servers and this machine pass on has the fields that it got here
        for number in _results.forged(message, [self._settings.host, *self._settings.names]):
            message.remove_at(number)
        if kind == "account":
            return PASS
        fetched = kind == "fetched"
        trusted = fetched or is_trusted(client)
        authors = _dmarc.authors(message.values("from"))
        if authors.problem and not trusted and self._malformed(message):
            return refuse(f"550 5.6.0 {authors.problem}; write one address of the author", authors.problem)
        found = self._look(message, authors.domains, trusted)
        if fetched:
            # Who connected to the other server is not known: SPF says nothing, and a failure of DMARC proves nothing.
            found = found._replace(judged=[_not_held_against(one) for one in found.judged])
        else:
            self._found[message] = found
        findings = [Finding(one.author, one.result, _comment(one)) for one in found.judged]
        if authors.problem:
            findings = [Finding("", "permerror", authors.problem)]
        message.add(
            _results.FIELD,
            _results.written(self._settings.host, found.spf, found.signatures, found.chain, findings),
        )
        return self._decided(message, found)

    def _malformed(self, message: Message) -> bool:
        """Whether a From that does not say who wrote it is refused. Notices and what has none have no author."""
        return (
            self._settings.malformed == "refuse"
            and bool(message.values("from"))
            and (bool(message.sender) or len(message.values("from")) > 1)
        )

    def _look(self, message: Message, authors: Sequence[str], trusted: bool) -> Found:
        ask = self._resolver()
        spf = _results.spf(message)
        signatures: Sequence[_dkim.Signature] = []
        chain = _dkim.Chain("none", "")
        if message.values("dkim-signature") or message.values("arc-seal"):
            with self._large if message.size > _LARGE else contextlib.nullcontext(), message.open() as stream:
                text = stream.read()
                signatures = _dkim.verify(text, ask, self._settings.signatures)
                chain = _dkim.chain(text, ask) if message.values("arc-seal") else chain
        judged = [self._follow(judge(author, spf, signatures, ask), chain, trusted) for author in authors]
        return Found(spf, signatures, chain, judged)

    def _follow(self, one: Judged, chain: _dkim.Chain, trusted: bool) -> Judged:
        """What follows from a judgement, by the settings."""
        own = self._settings.own_domains == "refuse" and _below(one.author, self._own) is not None
        what = "report"
        why = ""
        if one.result in ("fail", "temperror"):
            wanted = one.policy.wanted if one.policy else "reject"  # unknown: it could be
            if one.policy and random.randrange(100) >= one.policy.percent:  # noqa: S311 -- nobody gains by knowing
                wanted, why = _dmarc.softer(wanted), "sampled_out"
            what = self._as_we_do(wanted)
        if own and not one.proven:
            what, why = "reject", "local_policy: own domain"
        if what == "report":
            return one._replace(what=what, why=why)
        excepted = _below(one.author, set(self._exceptions))
        if trusted:
            return one._replace(what="report", why="trusted_forwarder: trusted peer")
        if self._sealed(one.author, chain):
            return one._replace(what="report", why="local_policy: arc=pass by a trusted sealer")
        if excepted is not None and _HARDNESS.index(self._exceptions[excepted]) < _HARDNESS.index(what):
            return one._replace(what=self._exceptions[excepted], why="local_policy: exception")
        if self._sealers and chain.temporary:
            one = one._replace(result="temperror")
        if one.result == "temperror" and self._settings.no_answer == "report":
            return one._replace(what="report", why="local_policy: no answer of DNS")
        return one._replace(what=what, why=why)

    def _as_we_do(self, wanted: str) -> str:
        return {"reject": self._settings.reject, "quarantine": self._settings.quarantine}.get(wanted, "report")

    def _sealed(self, author: str, chain: _dkim.Chain) -> bool:
        return (
            chain.result == "pass"
            and self._sealers.issuperset(map(_dmarc.to_ascii, chain.sealers))
            and _results.vouched(chain.first, author)
        )

    def _decided(self, message: Message, found: Found) -> Verdict:
        note = _note(found)
        if all(one.what == "report" for one in found.judged):
            return Verdict(note=note)
        sure = [one for one in found.judged if one.what != "report" and one.result != "temperror"]
        if refused := [one for one in sure if one.what == "reject"]:
            return refuse(_reply(refused[0], found), note)
        if waits := [one for one in found.judged if one.what != "report" and one.result == "temperror"]:
            return defer(
                f"451 4.4.3 DNS does not say at the moment whether {waits[0].author} sent this; please try again later",
                note,
            )
        to_junk(message, self._mailboxes(), f"DMARC of {sure[0].author} fails")
        return Verdict(note=f"{note}; into Junk")

    def finish(self, message: Message, outcome: Outcome) -> None:
        """Keep what was found for reports. What is deferred comes again."""
        found = self._found.pop(message, None)
        if self._store is None or found is None or outcome.verdict.action == "defer":
            return
        for row in _rows(message, found):
            self._store.keep_result(*row)


def _not_held_against(one: Judged) -> Judged:
    return one._replace(why="local_policy: fetched, SPF is not known") if one.why.startswith("trusted") else one


def judge(author: str, spf: Spf, signatures: Sequence[_dkim.Signature], ask: Ask) -> Judged:
    """Whether an author's domain is proven, by its own rules."""
    if "." not in author:
        return Judged(author, "none")  # localhost: nobody publishes anything for it
    try:
        policy = _dmarc.policy(author, ask)
    except Temporary:
        # Whatever the rules are, the domain itself is as good as anything.
        dkim = any(one.result == "pass" and one.domain == author for one in signatures)
        same = spf.result == "pass" and spf.domain == author
        return Judged(author, "none" if dkim or same else "temperror", None, dkim, same)
    strict = policy or _dmarc.Policy(author, "none", 100, False, False, [], {})
    signed = [one.result for one in signatures if strict.aligned(author, one.domain, strict.strict_dkim)]
    sent = [spf.result] if strict.aligned(author, spf.domain, strict.strict_spf) else []
    dkim, by_spf = "pass" in signed, "pass" in sent
    if policy is None:
        return Judged(author, "none", None, dkim, by_spf)
    if dkim or by_spf:
        return Judged(author, "pass", policy, dkim, by_spf)
    return Judged(author, "temperror" if "temperror" in (*signed, *sent) else "fail", policy)


def _below(domain: str, named: set[str]) -> str | None:
    """Which of these a domain is, or is below."""
    labels = domain.split(".")
    return next((above for n in range(len(labels)) if (above := ".".join(labels[n:])) in named), None)


def _comment(one: Judged) -> str:
    done = {"reject": "reject", "quarantine": "quarantine", "report": "none"}[one.what]
    if one.result == "none" and one.what == "report":
        return ""
    return " ".join(filter(None, (f"p={one.policy.wanted}" if one.policy else "", f"dis={done}", one.why)))


def _note(found: Found) -> str:
    said = [f"spf={found.spf.result}"] if found.spf.result else []
    said += [f"dkim={one.result}:{one.domain}" for one in found.signatures] or ["dkim=none"]
    said += [f"dmarc={one.result}:{one.author} {_comment(one)}".rstrip() for one in found.judged]
    said += [f"arc={found.chain.result}"] if found.chain.result != "none" else []
    return re.sub(r"[^ -~]", "?", " ".join(said))


def _reply(one: Judged, found: Found) -> str:
    """What the sender needs to know to do better."""
    signed = [f"{sign.domain}: {sign.reason or sign.result}" for sign in found.signatures]
    spf = f"SPF {found.spf.result} for {found.spf.domain or 'nobody'}" if found.spf.result else "no SPF"
    wish = (
        f"{one.policy.domain} asks to refuse that (DMARC)"
        if one.policy and one.policy.wanted == "reject"
        else ("only we send as that")
    )
    dkim = f"DKIM {', '.join(signed)}" if signed else "no DKIM signature"
    reply = f"550 5.7.26 Nothing proves that {one.author} in From sent this: {spf}; {dkim}; {wish}"
    return re.sub(r"[^ -~]", "?", reply)[:480]


def _rows(message: Message, found: Found) -> Iterator[tuple[str, str, dict[str, object]]]:
    """What a report says of a message, for each author who has a policy: the policy's domain, the source, the rest."""
    for one in found.judged:
        if one.policy is None or not one.policy.reports or one.result not in ("pass", "fail"):
            continue
        word, _colon, comment = one.why.partition(": ")
        yield (
            one.policy.domain,
            message.client or "",
            {
                "policy": one.policy.tags,
                "disposition": {"report": "none"}.get(one.what, one.what),
                "dkim": "pass" if one.dkim else "fail",
                "spf": "pass" if one.spf else "fail",
                "reason": [word, comment] if word else [],
                "author": one.author,
                "sender": message.sender.rpartition("@")[2],
                "signatures": [[sign.domain, sign.selector, sign.result] for sign in found.signatures],
                "sent": [found.spf.domain, found.spf.identity, found.spf.result or "none"],
            },
        )
