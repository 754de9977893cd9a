# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn from where people put their mail.

What somebody moved into Junk is spam; what the filters put there themselves (X-Spam-Flag: YES) they need not learn.
What somebody moved into NotJunk is ham, and goes back into the inbox. What was in Junk and is in another folder now,
Trash left out, was taken out by somebody, and is ham too. It is known again by Message-ID and Date, among the files
that got their present place since the last run. What was deleted from Junk says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from typing import NamedTuple

from . import _maildirs, _tell
from ._maildirs import File
from ._settings import refuse as refuse_setting
from ._store import Seen, Store

DIRECTORY = "/var/lib/courier-mail-learn"  # the mail user's; what he knows is none of the filters' business
_HEADER_BYTES = 1 << 16
_LAST = "learned"
_FOLDER = re.compile(r"[^./\x00-\x1f\x7f]+(\.[^./\x00-\x1f\x7f]+)*")


@dataclass(frozen=True)
class Settings:
    # Folders, as IMAP names them below INBOX.
    junk: str = "Junk"
    not_junk: str = "NotJunk"
    trash: str = "Trash"
    # Where mailboxes are, and who owns them.
    root: str = _maildirs.ROOT
    user: str = _maildirs.USER
    # In bytes; what is larger is not learned.
    max_size: int = 512000
    socket: str = _tell.SOCKET
    store: str = f"{DIRECTORY}/learned.sqlite"

    def __post_init__(self) -> None:
        for name in ("junk", "not_junk", "trash"):
            if not _FOLDER.fullmatch(getattr(self, name)):
                refuse_setting(name, getattr(self, name), "the name of a folder, such as Junk")
        if len({self.junk, self.not_junk, self.trash}) < 3:
            refuse_setting("not_junk", self.not_junk, "three different folders for junk, not_junk and trash")
        for name in ("root", "socket", "store"):
            if not getattr(self, name).startswith("/"):
                refuse_setting(name, getattr(self, name), "an absolute path")
        if self.max_size < 1:
            refuse_setting("max_size", self.max_size, "a number of bytes")


class Learned(NamedTuple):
    """How many messages."""

    spam: int = 0
    ham: int = 0
    moved: int = 0  # back into inboxes


Teach = Callable[[bytes, str], object]  # a message, and spam or ham; raises Down


def run(settings: Settings, store: Store, teach: Teach, now: float) -> Learned:
    """Learn from all mailboxes. Raises Down where spamd does not learn; the next run goes on there."""
    learner = _Learner(settings, store, teach)
    for account, maildir in _maildirs.maildirs(settings.root):
        learner.taken_out(account, maildir)
        learner.put_in(account, maildir)
        learner.not_junk(maildir)
    store.mark(_LAST, now)
    return Learned(**learner.done)


class _Learner:
    def __init__(self, settings: Settings, store: Store, teach: Teach) -> None:
        self._settings, self._store = settings, store
        self._since = store.marked(_LAST)
        self._teach = teach
        self.done = dict.fromkeys(Learned._fields, 0)

    def put_in(self, account: str, maildir: str) -> None:
        """What is in Junk and was not."""
        known = self._store.seen(account)
        for file in _maildirs.messages(maildir, self._settings.junk):
            text = None if file.name in known else self._read(file)
            if text is None:
                continue
            state = "ours" if flagged(text) else "large" if self._large(file) else "spam"
            if state == "spam":
                self._learn(text, "spam")
            self._store.see(account, file.name, Seen(key(text), state))
        self._store.still(account)

    def taken_out(self, account: str, maildir: str) -> None:
        """What was in Junk and is elsewhere now."""
        here = {file.name for file in _maildirs.messages(maildir, self._settings.junk)}
        gone = {name: seen for name, seen in self._store.seen(account).items() if name not in here}
        wanted = {seen.key for seen in gone.values() if seen.state != "large"}
        for text in self._arrived(maildir) if wanted else ():
            if key(text) in wanted:
                self._learn(text, "ham")
                wanted.discard(key(text))
        for name in gone:
            self._store.forget(account, name)

    def not_junk(self, maildir: str) -> None:
        """What is in NotJunk goes back."""
        for file in list(_maildirs.messages(maildir, self._settings.not_junk)):
            text = self._read(file)
            if text is None:
                continue
            if not self._large(file):
                self._learn(text, "ham")
            with contextlib.suppress(OSError):  # moved meanwhile
                _to_inbox(maildir, file)
                self.done["moved"] += 1

    def _arrived(self, maildir: str) -> Iterator[bytes]:
        """Messages elsewhere that were put there or renamed since the last run."""
        not_there = (self._settings.junk, self._settings.not_junk, self._settings.trash)
        for folder in _maildirs.folders(maildir):
            for file in _maildirs.messages(maildir, folder) if folder not in not_there else ():
                if file.seen.st_ctime >= self._since - 1 and not self._large(file):
                    text = self._read(file)
                    if text is not None:
                        yield text

    def _learn(self, text: bytes, kind: str) -> None:
        self._teach(text, kind)
        self.done[kind] += 1

    def _large(self, file: File) -> bool:
        return file.seen.st_size > self._settings.max_size

    def _read(self, file: File) -> bytes | None:
        """The text, or None where the file was moved meanwhile."""
        try:
            return _maildirs.read(file.path, self._settings.max_size)
        except OSError:
            return None


def _to_inbox(maildir: str, file: File) -> None:
    """Move a message with its flags. Nothing is overwritten: a link to a name that is there fails."""
    directory, name = os.path.split(file.path)
    os.link(file.path, f"{maildir}/{os.path.basename(directory)}/{name}", follow_symlinks=False)
    os.unlink(file.path)


def flagged(text: bytes) -> bool:
    """Whether our own filters called it spam. They take away what others wrote into this field."""
    return str(_header(text).get("X-Spam-Flag", "")).strip().upper() == "YES"


def key(text: bytes) -> str:
    """What is the same wherever the message is: Message-ID and Date, or the beginning where it has no Message-ID."""
    header = _header(text)
    said = f"{header.get('Message-ID', '')}\n{header.get('Date', '')}"
    whole = said.encode("utf-8", "surrogateescape") if "Message-ID" in header else text[:_HEADER_BYTES]
    return hashlib.sha256(whole).hexdigest()


def _header(text: bytes) -> Message:
    return BytesHeaderParser().parsebytes(text[:_HEADER_BYTES])
