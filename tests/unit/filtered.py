"""A message as a filter gets it, a spamd that learns, and the files that filters read."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

from plugins.module_utils._filters._message import Message

TEXT = (
    "Received: from client.example.net (client.example.net [192.0.2.7])\n  by mx1.example.com with ESMTP\n"
    "From: Alice <alice@example.com>\nMessage-ID: <1@example.net>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: s\n"
    "\nHello\n"
)
HOST = "client.example.net (client.example.net [::ffff:192.0.2.7])"
ADDRESSES = {
    "mailboxes": ["alice@example.com", "bob@example.com"],
    "senders": {
        "alice@example.com": ["alice@example.com", "sales@example.com"],
        "bob@example.com": ["bob@example.com", "@shop.example.com"],
    },
    "managed": {"192.0.2.0/28": ["@sat1.example.com", "@example.com"]},
}


def message(
    directory,
    *recipients,
    sender="someone@example.net",
    client="192.0.2.7",
    login=None,
    relay=False,
    local=False,
    text=TEXT,
    host=HOST,
    name="D1",
):
    """A message from a stranger, unless something else is said."""
    data, control = Path(directory, name), Path(directory, f"C{name}")
    data.write_bytes(text.encode() if isinstance(text, str) else text)
    lines = [f"s{sender}", f"fdns; {host}", "e", "t", f"M0001.{name}"]
    for recipient in recipients or ("alice@example.com",):
        lines += [f"r{recipient}", "R", "N"]
    lines += [f"OTCPREMOTEIP={'127.0.0.1' if local else f'::ffff:{client}' if ':' not in client else client}"]
    lines += [f"i{login}"] if login else []
    lines += ["ORELAYCLIENT="] if relay else []
    lines += [f"u{'local' if local else 'authsmtp' if login or relay else 'smtp'}"]
    control.write_text("".join(f"{line}\n" for line in lines))
    return Message(str(data), [str(control)])


def addresses(directory, data=None):
    path = Path(directory, "addresses.json")
    path.write_text(json.dumps(ADDRESSES if data is None else data))
    return str(path)


def left(found):
    """Who still gets it."""
    return [recipient.address for recipient in found.recipients]


class Spamd:
    """Learns everything, or answers what it is told to."""

    def __init__(self, directory, answer="SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n\r\n"):
        self.path, self.answer, self.heard, self.places = str(Path(directory, "spamd.sock")), answer, [], []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self):
        while True:
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                head = {}
                stream.readline()
                while (line := stream.readline().strip()) != b"":
                    name, _colon, value = line.partition(b": ")
                    head[name.decode().lower()] = value.decode()
                self.places.append(head["set"])
                self.heard.append((head["message-class"], stream.read(int(head["content-length"]))))
                connection.sendall(self.answer.encode())
