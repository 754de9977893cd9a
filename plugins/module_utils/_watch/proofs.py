# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that mail arrives: sends signed letters, reads what comes of them, and says which way is not proved.

A letter is proved when what comes back is signed, belongs to a letter that waits, came the way that it had to come, and
was not there before. All else is counted, and is no proof. Whatever is wrong with a message ends with 0, and whatever
is wrong with this host with 75 (sysexits.h), for which Courier keeps the message.
"""

from __future__ import annotations

import argparse
import fcntl
import hmac
import json
import os
import secrets
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from . import _places
from . import _proof_journal as journal
from . import _proof_letter as letters
from . import _proof_send as sending
from . import _proof_stand as stand
from . import _proof_token as proof_token
from ._exit import CONFIGURATION, TEMPORARY, UNAVAILABLE, USAGE, fail
from ._found import Finding, Sample, State
from ._hand import receive
from ._proof_letter import NoLetter, clean
from ._proof_settings import OWN, PART, Direction, Settings
from ._proof_store import BACK, FAILED, GONE, LOST, PROVED, WAITING, Answer, Arrival, Sent, Store, StoreError
from ._proof_token import Token
from ._settings import SettingsError

# Written when an answer waits, so that systemd has it sent.
SIGN = "proofs.answer"
_AHEAD = 600  # seconds that the clock of another host may be before ours
_EARLY = 120  # seconds before its time that a letter may go, since the timer comes when it comes
_SECONDS = 60  # for reading a message
_HOUR = 3600.0


class TooLong(Exception):
    """A message cannot be read in time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    return command(given)


def findings() -> list[Finding]:
    """Which ways are proved, and which are not."""
    settings = _places.settings(PART, Settings)
    return _findings(settings, time.time(), journal.last_line)


def samples() -> list[Sample]:
    """The same for Prometheus."""
    settings = _places.settings(PART, Settings)
    store = _read(settings)
    if store is None:
        return []
    try:
        return list(stand.samples(settings, store, time.time()))
    finally:
        store.close()


def _findings(settings: Settings, now: float, say: stand.Say) -> list[Finding]:
    store = _read(settings)
    try:
        return list(stand.findings(settings, store, now, say))
    finally:
        if store:
            store.close()


def _read(settings: Settings) -> Store | None:
    """The store, or nothing where nothing was sent yet."""
    return Store(settings.store, readonly=True) if os.path.exists(settings.store) else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="courier-mail-watch", description="Proves that mail arrives.")
    parser.add_argument("--configuration", default=_places.ETC, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("prove", help="send the letters whose time has come, and the answers that wait")
    one.add_argument("--now", action="store_true", help="send one in each direction, whatever the time")
    one.add_argument("direction", nargs="*", help="only these directions")
    one.set_defaults(command=_prove)

    one = commands.add_parser("arrived", help="look for a proof in the message on standard input")
    one.set_defaults(command=_arrived)

    one = commands.add_parser("proofs", help="which ways are proved; ends with 1 where one is not")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(command=_proofs)
    return parser


# --- sending ---


def _prove(given: argparse.Namespace) -> int:
    try:
        settings = _places.settings(PART, Settings, given.configuration)
        unknown = set(given.direction) - {one.name for one in settings.ways()}
        if unknown:
            return fail(USAGE, f"there is no direction {min(unknown)}")
        with open(f"{settings.store}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two at a time would send twice
            store = Store(settings.store)
            try:
                _tidy(settings, store, time.time())
                _answer(settings, store)
                for one in _due(settings, store, time.time(), given.direction, given.now):
                    _send(settings, store, one)
            finally:
                store.close()
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, StoreError, sqlite3.Error) as error:
        return fail(UNAVAILABLE, str(error))
    return 0


def _tidy(settings: Settings, store: Store, now: float) -> None:
    wanted = {(one.site, one.host, one.direction) for one in settings.awaited()}
    with store.changing():
        store.expect(wanted, now)
        for one in settings.ways():
            waiting = [letter for letter in store.letters(one.name) if letter.state == WAITING]
            for number, letter in enumerate(waiting):
                if number >= settings.waiting - 1 or now - letter.at > settings.lost * _HOUR:
                    store.become(letter._replace(state=LOST), now)
        store.prune(now, settings.days, settings.lost * _HOUR)


def _due(settings: Settings, store: Store, now: float, names: Sequence[str], at_once: bool) -> Iterator[Direction]:
    for one in settings.ways():
        if names and one.name not in names:
            continue
        sent = store.letters(one.name)
        late = sum(letter.state == WAITING and now - letter.at > one.within * 60 for letter in sent)
        # What does not arrive lies in a queue. More of it helps nobody.
        pause = one.every * 60 * min(max(late, 1), 4) - _EARLY
        if at_once or not sent or now - sent[0].at >= pause or sent[0].at > now + _AHEAD:
            yield one


def _send(settings: Settings, store: Store, one: Direction) -> None:
    name, secret = _signing(settings, one)
    now = time.time()
    reply = settings.address if one.way == proof_token.ANSWER else ""
    token = Token("letter", name, settings.site, settings.host, one.name, one.way, int(now), proof_token.nonce(), reply)
    text = proof_token.sign(token, secret)
    mac = text.rpartition("b=")[2]
    sender = one.sender or one.login or settings.address
    sent = Sent(token.nonce, one.name, one.way, one.to, mac, now, WAITING)
    with store.changing():  # before: it may be back before sendmail is
        store.send(sent)
        if not settings.home or one.way == proof_token.RECEIVER:
            store.become(sent._replace(state=GONE), now)
    try:
        letter = letters.compose(token, text, mac, sender, one.to)
        if one.login:
            server = sending.Server(one.server, one.port, one.login, settings.logins[one.login], settings.trust)
            sending.submit(letter, sender, one.to, server)
        else:
            sending.sendmail(letter, sender, one.to, proof_token.mark(token.nonce, mac))
    except sending.NotSent as error:
        said = clean(str(error))
        sys.stderr.write(f"courier-mail-watch: {one.name}: {said}\n")
        with store.changing():
            store.become(sent._replace(state=FAILED, said=said), time.time())


def _answer(settings: Settings, store: Store) -> None:
    for one in store.answers():
        letter = letters.answer(one.text, one.letter, settings.address, one.to)
        try:
            # Without a sender nothing ever comes back of it, and nobody answers it.
            sending.sendmail(letter, "", one.to)
        except sending.NotSent as error:
            sys.stderr.write(f"courier-mail-watch: the answer to {one.to} waits: {clean(str(error))}\n")
            continue
        with store.changing():
            store.answered(one)


def _signing(settings: Settings, one: Direction) -> tuple[str, str]:
    """The name and the secret of the key that signs."""
    if name := one.key or settings.key:
        return name, settings.keys[f"{settings.site}/{name}"]
    return OWN, _own_key(settings)


def _own_key(settings: Settings) -> str:
    """The key that this host has made for itself, and that nobody else knows."""
    try:
        with open(settings.own_key, encoding="ascii") as stream:
            found = stream.read().strip()
    except FileNotFoundError:
        found = secrets.token_urlsafe(32)
        descriptor = os.open(settings.own_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{found}\n")
    if len(found) < 16:
        raise StoreError(f"{settings.own_key} has no key; remove it, and another is made")
    return found


# --- reading ---


def _arrived(given: argparse.Namespace) -> int:
    # The parser of mail is not ours, and whoever writes to it may have time.
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(_SECONDS)
    try:
        settings = _places.settings(PART, Settings, given.configuration)
        raw = receive(sys.stdin.buffer, settings.message_bytes)
        store = Store(settings.store)
        try:
            said = take(raw, os.environ.get("SENDER", ""), settings, store, time.time())
        finally:
            store.close()
    # Everything that is not foreseen is this host's mistake, and may be put right before the message is too old.
    except Exception as error:
        return fail(TEMPORARY, f"cannot look for proofs now: {type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    sys.stderr.write(f"courier-mail-watch: {said}\n")
    return 0


def _too_late(_number: int, _frame: object) -> None:
    raise TooLong(f"it took more than {_SECONDS} s")


def take(raw: bytes | None, sender: str, settings: Settings, store: Store, now: float) -> str:
    """Look for a proof in a message, and keep what is found. Says what became of it. Raises StoreError."""
    try:
        if raw is None:
            raise NoLetter("too large", f"more than {settings.message_bytes} bytes")
        found = _parsed(raw)
        with store.changing():
            said = _Taking(settings, store, now).take(found, sender)
    except NoLetter as refused:
        said = clean(refused.said)
        with store.changing():
            store.reject(refused.reason, said, now)
        return f"no proof, {refused.reason}: {said}"
    if store.answers():
        # What has the watch's network and may start sendmail is another unit.
        with open(os.path.join(os.path.dirname(settings.store), SIGN), "w", encoding="ascii") as stream:
            stream.write(f"{now}\n")
    return said


def _parsed(raw: bytes) -> letters.Found:
    try:
        return letters.read(raw)
    except NoLetter:
        raise
    except (TooLong, MemoryError, RecursionError) as error:
        raise NoLetter("resources", type(error).__name__) from error
    except Exception as error:  # the library of email raises many
        raise NoLetter("malformed", f"{type(error).__name__}: {error}") from error


class _Taking:
    """One message, within a transaction. What raises NoLetter leaves nothing behind."""

    def __init__(self, settings: Settings, store: Store, now: float) -> None:
        self._settings, self._store, self._now = settings, store, now

    def take(self, found: letters.Found, sender: str) -> str:
        if found.token is None:
            return self._marked(found, sender)
        self._believe(found.token, found.mac)
        if found.kind == "answer":
            return self._answered(found.token, found)
        if found.token.kind != "letter":
            raise NoLetter("not its way", f"an answer came back to {found.token.host}")
        if found.kind == "report":
            return self._reported(found.token, found, sender)
        return self._letter(found.token, found)

    def _believe(self, token: Token, mac: str) -> None:
        name = f"{token.site}/{token.key}"
        if self._is_own(token) and token.key == OWN:
            secret = _own_key(self._settings)
        else:
            secret = self._settings.keys.get(name, "")
        if not secret:
            raise NoLetter("unknown key", f"{name}, of a letter of {token.host}")
        if not proof_token.genuine(token, mac, secret):
            raise NoLetter("forged", f"it says that it is of {token.host}")
        self._recent(token.sent, token.host)

    def _recent(self, sent: float, host: str) -> None:
        if sent > self._now + _AHEAD:
            raise NoLetter("from the future", f"{host} sent it {int(sent - self._now)} s from now; look at the clocks")
        if self._now - sent > self._settings.lost * _HOUR:
            raise NoLetter("too old", f"{host} sent it {int((self._now - sent) / _HOUR)} hours ago")

    def _is_own(self, token: Token) -> bool:
        return (token.site, token.host) == (self._settings.site, self._settings.host)

    def _waiting(self, nonce: str, way: str) -> Sent:
        """The letter of ours that this proves."""
        sent = self._store.letter(nonce)
        if sent is None:
            raise NoLetter("unknown", "no letter of ours has its number")
        if sent.way != way:
            raise NoLetter("not its way", f"{sent.direction}: it was to be proved by {sent.way}, and this is {way}")
        if sent.state != WAITING:
            raise NoLetter("replayed", f"{sent.direction}: the letter is {sent.state} already")
        return sent

    def _letter(self, token: Token, found: letters.Found) -> str:
        if self._is_own(token):
            sent = self._waiting(token.nonce, proof_token.RETURN)
            return self._prove(sent, found)
        if token.way not in (proof_token.RECEIVER, proof_token.ANSWER):
            raise NoLetter("not its way", f"a letter of {token.host} that was to be proved by {token.way}")
        said = self._other(token, found, "letter")
        if token.way == proof_token.ANSWER and token.reply:
            self._queue_answer(token, found)
        return said

    def _other(self, token: Token, found: letters.Found, what: str) -> str:
        if not self._store.first(token.nonce, what, self._now):
            raise NoLetter("replayed", f"{token.direction} of {token.host}")
        seconds = max(0.0, self._now - token.sent)
        one = Arrival(token.site, token.host, token.direction, token.sent, self._now, seconds, found.tls, found.path)
        if not self._store.arrived(one):
            raise NoLetter("too many", f"{token.direction} of {token.host}")
        return f"{token.direction} of {token.host} is proved, after {seconds:.1f} s"

    def _queue_answer(self, token: Token, found: letters.Found) -> None:
        name = f"{token.site}/{token.key}"
        if self._store.seen_since("answered", self._now - _HOUR) >= self._settings.answers:
            return  # somebody sends more than he needs; the letters are counted all the same
        self._store.first(token.nonce, "answered", self._now)
        signed = token._replace(kind="answer", arrived=int(self._now), tls=found.tls)
        text = proof_token.sign(signed, self._settings.keys[name])
        mark = proof_token.mark(token.nonce, found.mac)
        self._store.answer(Answer(token.nonce, token.reply, f"<{mark}@{token.host}>", text, self._now))

    def _answered(self, token: Token, found: letters.Found) -> str:
        if not self._is_own(token):
            raise NoLetter("not ours", f"an answer to {token.host}")
        sent = self._waiting(token.nonce, proof_token.ANSWER)
        # The version is that in which the letter itself arrived, not the answer.
        return self._prove(sent, found._replace(tls=token.tls))

    def _reported(self, token: Token, found: letters.Found, sender: str) -> str:
        if sender:
            raise NoLetter("not its way", "a report that has a sender")
        if self._is_own(token):
            sent = self._store.letter(token.nonce)
            if sent is None:
                raise NoLetter("unknown", "no letter of ours has its number")
            return self._back(sent, found)
        if found.action != "failed":
            return f"a letter of {token.host} waits: {found.said}"
        if token.way == proof_token.REPORT:
            return self._other(token, found, "report")
        if not self._store.first(token.nonce, "report", self._now):
            raise NoLetter("replayed", f"{token.direction} of {token.host}")
        if not self._store.troubled(token.site, token.host, token.direction, found.said, self._now):
            raise NoLetter("too many", f"{token.direction} of {token.host}")
        return f"{token.direction} of {token.host} came back: {found.said}"

    def _back(self, sent: Sent, found: letters.Found) -> str:
        if found.action != "failed":
            self._store.note(sent, found.said)
            return f"{sent.direction} waits: {found.said}"
        if sent.way == proof_token.REPORT:
            return self._prove(self._waiting(sent.nonce, proof_token.REPORT), found)
        if sent.state != WAITING:
            raise NoLetter("replayed", f"{sent.direction}: the letter is {sent.state} already")
        self._store.become(sent._replace(state=BACK, said=found.said), self._now)
        return f"{sent.direction} came back: {found.said}"

    def _marked(self, found: letters.Found, sender: str) -> str:
        """What quotes a letter of ours, of whose token only the mark is there."""
        for nonce, mac in found.marks:
            sent = self._store.letter(nonce)
            if sent is None:
                continue
            if not hmac.compare_digest(sent.mac[:32], mac):
                raise NoLetter("forged", f"a mark of {sent.direction}")
            self._recent(sent.at, self._settings.host)
            if found.kind == "report":
                if sender:
                    raise NoLetter("not its way", "a report that has a sender")
                return self._back(sent, found)
            return self._prove(self._waiting(nonce, proof_token.RETURN), found)
        raise NoLetter("unknown", "no letter of ours has its number")

    def _prove(self, sent: Sent, found: letters.Found) -> str:
        proved = sent._replace(state=PROVED, said=found.said, tls=found.tls, path=found.path)
        self._store.become(proved, self._now)
        return f"{sent.direction} is proved, after {max(0.0, self._now - sent.at):.1f} s"


# --- telling ---


def _proofs(given: argparse.Namespace) -> int:
    try:
        settings = _places.settings(PART, Settings, given.configuration)
        found = _findings(settings, time.time(), journal.last_line)
        store = _read(settings)
        try:
            data = stand.data(settings, store, found)
        finally:
            if store:
                store.close()
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, StoreError, sqlite3.Error) as error:
        return fail(UNAVAILABLE, str(error))
    sys.stdout.write(f"{json.dumps(data, indent=2, sort_keys=True)}\n" if given.json else stand.written(data))
    return int(any(one.state == State.BAD for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
