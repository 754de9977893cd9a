"""Messages as Courier hands them to a filter, and daemons that a test plays."""

from __future__ import annotations

import base64
import socket
import threading

import pytest

from plugins.module_utils._filters._message import Message

# The SRS library of the package index, 1.0.3, calls it as Python before 3.9 did. Debian's 1.0.4 does not.
base64.encodestring = base64.encodebytes

TEXT = b"Received: from x\nSubject: hello\nFrom: Bob <bob@example.net>\n\nHello.\n"


@pytest.fixture
def letter(tmp_path):
    """Makes a message with its control file."""

    def make(text=TEXT, *, to=("alice@example.com",), sender="bob@example.net", records=(), controls=1):
        path = tmp_path / "text"
        path.write_bytes(text)
        files = []
        for number in range(controls):
            file = tmp_path / f"control{number}"
            lines = [
                f"s{sender}",
                "f dns; x (x [192.0.2.1])",
                "M0001.id",
                "usmtp",
                "OTCPREMOTEIP=::ffff:192.0.2.1",
                *records,
            ]
            for one in to[number::controls]:
                address, _blank, original = one.partition(" ")
                lines += [f"r{address}", f"R{original}", "NF"]
            file.write_text("".join(f"{line}\n" for line in lines))
            files.append(str(file))
        return Message(str(path), files)

    return make


class Daemon:
    """Listens on a unix socket, takes what comes, and answers as it is told."""

    def __init__(self, path):
        self.path = str(path)
        self.heard = b""
        self.asked = 0
        self.answer = b""
        self.reads = True  # false: hangs up on who writes
        self.silent = False  # true: says nothing, and does not hang up
        self.end = b""  # of what the client says; without it, the client's shutdown
        self.most = 1 << 30  # bytes that it takes before it answers
        self._over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(5)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                peer, _address = self._listener.accept()
            except OSError:
                return
            with peer:
                self.asked += 1
                self.heard = b""
                while self.reads and len(self.heard) < self.most and (chunk := peer.recv(1 << 16)):
                    self.heard += chunk
                    if self.end and self.heard.endswith(self.end):
                        break
                if self.silent:
                    self._over.wait()
                else:
                    peer.sendall(self.answer)

    def close(self):
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def daemon(tmp_path):
    """A daemon at a socket."""
    one = Daemon(tmp_path / "socket")
    yield one
    one.close()
