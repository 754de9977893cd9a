# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells Courier what happens to a message for an account: its rules, its forward, its folders, and a reply.

    || deliver                      prints lines of dot-courier(5), by what ~/.mailrules says
    | deliver --into FOLDER FLAGS   puts the message there itself, since Courier sets no flags
    deliver --room                  is the service that knows whether there is room for a message

It runs with the rights of the mail user, in the home of the account, once for each message; so it imports late what it
rarely needs. Whatever goes wrong ends with a code after which Courier keeps the message and comes again. What is in
~/.mailrules was checked before it was written (plugins/module_utils/_courier/features.py).
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RULES = ".mailrules"
REPLIES = ".mailreplies"
PROGRAM = "/usr/local/lib/courier-mail/deliver"
TEMPORARY = 75  # Courier keeps the message and comes again
_HEADER = 1 << 18  # bytes of a message in which its header is looked for
_VALUE = 4000  # characters of a field that patterns see
_SENDMAIL = "/usr/sbin/sendmail"
_DAY = 86400
_FIRST = 3  # the descriptor of systemd's first socket
_LINE = 1000
# Folders that somebody else must not put anything into by writing to alice-sent@example.com.
_NOT_FOR_OTHERS = {"drafts", "sent", "trash", "junk"}
# Who has no ear (RFC 3834, 2): programs, lists, and what they call themselves.
_NOBODY = re.compile(
    r"(?:.*[-_.+=])?(?:no-?reply|do-?not-?reply|bounces?|mailer-daemon|listserv|majordomo|request|owner|notifications?)"
    r"(?:[-_.+=].*)?",
    re.IGNORECASE,
)
_OF_LISTS = ("mailing-list", "x-mailing-list", "feedback-id")
Fields = Sequence[tuple[str, str]]  # of a header: names in lower case, and values


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Returns the code. What is printed, Courier does."""
    os.umask(0o077)
    if arguments[:1] == ["--into"]:
        return into(arguments[1], arguments[2], environment)
    if arguments[:1] == ["--room"]:
        return serve()
    head = b""
    size = 0
    while chunk := os.read(0, 1 << 16):
        head += chunk[: _HEADER - len(head)]
        size += len(chunk)
    fields = parse(head)
    said = rules(environment)
    lines, replies = decide(said, fields, size, environment)
    if any(_keeps(line) for line in lines) and full(environment.get("MAILDIRQUOTA", ""), size):
        # Before anything is done, since Courier does all of it again when there is room.
        sys.stdout.write("The mailbox is full.\n")
        return TEMPORARY
    for one in replies:
        reply(one, said, fields, environment)
    told = "".join(f"{line}\n" for line in lines) or "# nothing\n"
    sys.stdout.buffer.write(told.encode("utf-8", "surrogateescape"))
    return 0


def rules(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the account does with its mail."""
    try:
        with open(RULES, encoding="ascii") as stream:
            _mark, text = stream
        said: dict[str, Any] = json.loads(text)
    except FileNotFoundError:
        if not environment.get("EXT"):
            raise  # we were asked because there is something
        # An account that does nothing with its mail, or what somebody wrote.
        said = {"address": "", "lines": ["./Maildir"]}
        if os.path.exists(".courier") and os.path.getsize(".courier"):
            with open(".courier", encoding="utf-8", errors="surrogateescape") as stream:
                said["lines"] = stream.read().splitlines()
    return said


def decide(
    said: Mapping[str, Any], fields: Fields, size: int, environment: Mapping[str, str], today: str = ""
) -> tuple[list[str], list[Mapping[str, Any]]]:
    """The lines that Courier shall do, and the replies that the sender shall have."""
    default = folder_of(environment.get("EXT", ""))
    rule = next((one for one in said.get("rules", ()) if matches(one["match"], fields, size)), None)
    if rule is None:
        lines = [_inbox(default) if line in ("./Maildir", "./Maildir/") else line for line in said["lines"]]
    else:
        lines = list(rule["lines"])
        if "into" in rule:
            name = rule["into"] or default
            lines.append(_call(name, rule["flags"]) if rule["flags"] else _inbox(made(name)))
    replies = []
    if rule is None or not rule.get("discard"):
        vacation = said.get("vacation")
        today = today or time.strftime("%Y-%m-%d")
        if rule and "reply" in rule:
            replies.append(rule["reply"])
        elif vacation and vacation.get("since", today) <= today <= vacation.get("until", today):
            replies.append(vacation)
    return lines, replies


def matches(conditions: Sequence[Mapping[str, Any]], fields: Fields, size: int) -> bool:
    """Whether a message is as all conditions say."""
    return all(_holds(one, fields, size) for one in conditions)


def _holds(condition: Mapping[str, Any], fields: Fields, size: int) -> bool:
    if "larger_than" in condition:
        return size > int(condition["larger_than"])
    if "spam" in condition:
        # The filters take the field away from others.
        return any(value.strip().upper() == "YES" for value in values(fields, "x-spam-flag"))
    names = ("to", "cc") if condition["field"] == "to" else (condition["field"],)
    texts = [decoded(value)[:_VALUE] for value in values(fields, *names)]
    if "contains" in condition:
        wanted = condition["contains"].casefold()
        return any(wanted in text.casefold() for text in texts)
    return any(re.search(condition["matches"], text, re.IGNORECASE) for text in texts)


def folder_of(extension: str) -> str:
    """The folder that an extension names, if the account has it, whatever its capitals; else the inbox."""
    wanted = extension.casefold()
    if wanted and wanted not in _NOT_FOR_OTHERS:
        for name in sorted(os.listdir("Maildir")):
            # A backslash at the end of a line would take the next one with it.
            if name[1:].casefold() == wanted and re.fullmatch(r"\.[^/\\\x00-\x1f\x7f]+", name) and _is_folder(name):
                return name[1:]
    return ""


def _is_folder(name: str) -> bool:
    return os.path.isdir(f"Maildir/{name}/cur")


def made(name: str) -> str:
    """A folder of a rule, made if it is not there or was deleted."""
    if name and not _is_folder(f".{name}"):
        for part in ("", "/tmp", "/new", "/cur"):  # noqa: S108 -- a part of a Maildir
            os.makedirs(f"Maildir/.{name}{part}", 0o700, exist_ok=True)
        with open(f"Maildir/.{name}/maildirfolder", "a", encoding="ascii"):
            pass
        with open("Maildir/courierimapsubscribed", "a", encoding="utf-8") as stream:
            stream.write(f"INBOX.{name}\n")
    return name


def _inbox(name: str) -> str:
    return f"./Maildir/.{name}/" if name else "./Maildir"


def _call(name: str, flags: str) -> str:
    from shlex import join

    return f"| {join([PROGRAM, '--into', name, flags])}"


def _keeps(line: str) -> bool:
    return line.startswith(("./Maildir", f"| {PROGRAM} "))


def into(name: str, flags: str, environment: Mapping[str, str]) -> int:
    """Put the message into a folder, with flags. Returns the code."""
    text = (environment.get("RPLINE", "").strip() + "\n" + environment.get("DTLINE", "").strip() + "\n").lstrip("\n")
    whole = text.encode("utf-8", "surrogateescape")
    while chunk := os.read(0, 1 << 16):
        whole += chunk
    if full(environment.get("MAILDIRQUOTA", ""), len(whole)):
        sys.stdout.write("The mailbox is full.\n")
        return TEMPORARY
    made(name)
    place = f"Maildir/.{name}" if name else "Maildir"
    unique = f"{time.time():.6f}.P{os.getpid()}.{os.uname().nodename}"
    temporary = f"{place}/tmp/{unique}"  # noqa: S108 -- a part of a Maildir
    with open(temporary, "xb") as stream:
        stream.write(whole)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, f"{place}/cur/{unique},S={len(whole)}:2,{flags}")
    try:
        descriptor = os.open("Maildir/maildirsize", os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:
        return 0  # Courier counts where it needs to
    os.write(descriptor, f"{len(whole)} 1\n".encode())
    os.close(descriptor)
    return 0


def full(quota: str, size: int, home: str = ".", *, mend: bool = True) -> bool:
    """Whether there is no room for a message of a size, by a quota as maildirquota(7) writes it."""
    limits = {unit: int(number) for number, unit in re.findall("([0-9]+)([SC])", quota)}

    def over(used: tuple[int, int]) -> bool:
        wanted = {"S": used[0] + size, "C": used[1] + 1}
        return any(limit and wanted[unit] > limit for unit, limit in limits.items())

    if not limits:
        return False
    noted = _noted(quota, home)
    if noted and not over(noted):
        return False
    if over(_counted(home)):
        return True
    if noted and mend:
        os.unlink(f"{home}/Maildir/maildirsize")  # it is out of date; Courier writes another
    return False


def _noted(quota: str, home: str) -> tuple[int, int] | None:
    """The bytes and messages that Courier has noted."""
    try:
        with open(f"{home}/Maildir/maildirsize", encoding="ascii") as stream:
            if next(stream).strip() != quota:
                return None
            numbers = [tuple(map(int, line.split())) for line in stream]
    except (FileNotFoundError, StopIteration, ValueError):
        return None
    return sum(one[0] for one in numbers), sum(one[1] for one in numbers)


def _counted(home: str) -> tuple[int, int]:
    """The bytes and messages that are there. What is deleted does not count."""
    found = (0, 0)
    folders = [name for name in os.listdir(f"{home}/Maildir") if name.startswith(".") and name != ".Trash"]
    for folder in ("", *folders):
        for part in ("new", "cur"):
            for name, size in _messages(f"{home}/Maildir/{folder}/{part}"):
                if not re.search(":2,[A-Z]*T", name):
                    found = (found[0] + size, found[1] + 1)
    return found


def _messages(path: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(path) as entries:
            for one in entries:
                noted = re.search(",S=([0-9]+)", one.name)
                yield one.name, int(noted[1]) if noted else one.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return


def serve() -> int:
    """Answer the filter `room` on systemd's socket: 0 for room, 1 for none, 75 when nobody knows."""
    import socket
    import threading

    listening = socket.socket(fileno=_FIRST)

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                address, size = connection.makefile("r", encoding="utf-8").readline(_LINE).rstrip("\n").split("\0")
                said = room(address, int(size))
            except Exception as error:
                said = f"{TEMPORARY} {type(error).__name__}: {error}"
            connection.sendall(f"{said}\n".encode())

    while True:
        connection, _address = listening.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def room(address: str, size: int) -> str:
    """Whether there is room for a message, as the service says it."""
    account = ask_authdaemon(address)
    home, quota = account.get("HOME"), account.get("QUOTA", "")
    if not home or not quota or not _stays(home):
        return "0 there is no limit"
    # In a directory that is not there, nothing is.
    if os.path.isdir(f"{home}/Maildir") and full(quota, size, home, mend=False):
        return "1 the mailbox is full"
    return "0 there is room"


def _stays(home: str) -> bool:
    """Whether mail can stay in a mailbox at all, which may pass on all of it."""
    try:
        with open(f"{home}/{RULES}", encoding="ascii") as stream:
            said = json.loads(stream.read().partition("\n")[2])
        return any(map(_keeps, said["lines"])) or any("into" in rule for rule in said.get("rules", ()))
    except FileNotFoundError:
        pass
    try:
        with open(f"{home}/.courier", encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return True
    return not lines or any(line.startswith(("./", "/")) for line in lines)


def ask_authdaemon(address: str, path: str = "/run/courier/authdaemon/socket") -> dict[str, str]:
    """What Courier knows of an account; nothing if there is none."""
    import socket

    if not address.isprintable() or " " in address:
        return {}
    said = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(f"PRE . esmtp {address}\n".encode())
        while not said.endswith((b"\n.\n", b"FAIL\n")) and (chunk := connection.recv(1 << 16)):
            said += chunk
    if not said.endswith((b"\n.\n", b"FAIL\n")):
        raise OSError("authdaemon does not answer")
    return dict(line.split("=", 1) for line in said.decode("utf-8", "replace").splitlines() if "=" in line)


def parse(head: bytes) -> list[tuple[str, str]]:
    """The fields of a header, unfolded and not yet decoded."""
    found: list[tuple[str, str]] = []
    for raw in head.replace(b"\r\n", b"\n").split(b"\n"):
        if not raw:
            break
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode("latin-1")
        if line[0] in " \t" and found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}")
        elif ":" in line:
            name, _colon, value = line.partition(":")
            found.append((name.strip().lower(), value.strip()))
    return found


def values(fields: Fields, *names: str) -> list[str]:
    """What fields say."""
    return [value for name, value in fields if name in names]


def decoded(value: str) -> str:
    """A value with its encoded words (RFC 2047) read."""
    from email.errors import HeaderParseError
    from email.header import decode_header

    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(part if isinstance(part, str) else _text(part, charset) for part, charset in parts)


def _text(part: bytes, charset: str | None) -> str:
    try:
        return part.decode(charset or "utf-8", "replace")
    except LookupError:
        return part.decode("latin-1")


def why_silent(sender: str, mine: set[str], fields: Fields) -> str:
    """Why there is no reply to a message (RFC 3834, section 2), or nothing if there is."""
    from email.utils import getaddresses

    def says(name: str, plain: str) -> bool:
        said = [value.partition(";")[0].strip().lower() for value in values(fields, name)]
        return any(one and one != plain for one in said)

    named = {address.lower() for _name, address in getaddresses(values(fields, "to", "cc", "resent-to", "resent-cc"))}
    types = values(fields, "content-type")
    why = {
        "it has no sender": not re.fullmatch(r"[^\s@<>][^\s<>]*@[^\s@<>]+", sender),
        "it is from the account itself": sender.lower() in mine,
        "nobody reads what is sent there": _NOBODY.fullmatch(sender.rpartition("@")[0]),
        "it is from a list": any(name.startswith("list-") or name in _OF_LISTS for name, _value in fields),
        "it was not written by somebody": says("auto-submitted", "no"),
        "it went to many": says("precedence", "first-class"),
        "its sender wants none": says("x-auto-response-suppress", "none"),
        "it is a report": any(value.lower().startswith("multipart/report") for value in types),
        "it is spam": any(value.strip().upper() == "YES" for value in values(fields, "x-spam-flag")),
        "it is not written to the account": not named & mine,
    }
    return next((reason for reason, holds in why.items() if holds), "")


def reply(what: Mapping[str, Any], said: Mapping[str, Any], fields: Fields, environment: Mapping[str, str]) -> None:
    """Answer the sender, once in a while. One that fails is given up: mail comes before replies."""
    import syslog

    sender = environment.get("SENDER", "")
    syslog.openlog("courier-mail-deliver", 0, syslog.LOG_MAIL)
    mine = {one.lower() for one in (said["address"], *said["own"], environment.get("RECIPIENT", ""))}
    try:
        done = why_silent(sender, mine, fields) or _reply_once(what, sender, said, fields)
    except Exception as error:
        done = f"{type(error).__name__}: {error}"
    syslog.syslog(f"{said['address']}: {'no reply: ' + done if done else 'replied'} (from <{sender}>)")


def _reply_once(what: Mapping[str, Any], sender: str, said: Mapping[str, Any], fields: Fields) -> str:
    import sqlite3

    now = time.time()
    store = sqlite3.connect(REPLIES, timeout=30, isolation_level=None)
    try:
        store.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT, sender TEXT, at REAL, PRIMARY KEY (key, sender))")
        store.execute("BEGIN IMMEDIATE")
        store.execute("DELETE FROM replies WHERE at < ?", (now - 366 * _DAY,))
        who = (what["key"], sender.lower())
        for (at,) in store.execute("SELECT at FROM replies WHERE key = ? AND sender = ?", who).fetchall():
            if at > now - what["every"] * _DAY:
                return "the sender had one"
        store.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (*who, now))
        _send(answer(what, sender, said, fields), sender)
        store.execute("COMMIT")
    finally:
        store.close()  # what is not committed was not
    return ""


def answer(what: Mapping[str, Any], sender: str, said: Mapping[str, Any], fields: Fields) -> bytes:
    """The reply."""
    from email.message import EmailMessage
    from email.policy import SMTP
    from email.utils import formataddr, formatdate, make_msgid

    letter = EmailMessage(SMTP.clone(linesep="\n", cte_type="7bit"))
    subject = " ".join(decoded((values(fields, "subject") or [""])[0]).split())
    letter["From"] = formataddr((said["name"], said["address"]))
    letter["To"] = sender
    letter["Subject"] = what["subject"] or f"Auto: {subject[:200] or 'your message'}"
    letter["Date"] = formatdate(localtime=True)
    letter["Message-ID"] = make_msgid(domain=said["address"].rpartition("@")[2])
    if identity := re.search(r"<[!-;=?-~]{1,250}>", "".join(values(fields, "message-id")[:1])):
        letter["In-Reply-To"] = letter["References"] = identity[0]
    letter["Auto-Submitted"] = "auto-replied"
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(what["text"])
    return bytes(letter)


def _send(text: bytes, recipient: str) -> None:
    import subprocess

    environment = {"PATH": "/usr/bin:/bin", "NOADDMSGID": "1", "NOADDDATE": "1", "NOADDRREWRITE": "2"}
    if recipient.startswith("-"):
        raise ValueError("the sender looks like an option")
    subprocess.run(
        [_SENDMAIL, "-f", "", recipient], input=text, check=True, capture_output=True, timeout=120, env=environment
    )


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:], dict(os.environ))
    except Exception as failed:
        sys.stderr.write(f"deliver: {type(failed).__name__}: {failed}\n")
        code = TEMPORARY
    raise SystemExit(code)
