# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A conversation with a daemon over its unix socket, that has to be over in time.

Courier waits for a filter for ever, and a daemon may take bytes for ever, one by one. So the time is that of the whole
conversation, and whatever goes wrong is Down.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from types import TracebackType

from ._verdict import Down

_CHUNK = 1 << 16


class Connection:
    """One conversation: connect, send, receive until the daemon closes."""

    def __init__(self, path: str, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Connection:
        try:
            self._in_time().connect(self._path)
        except OSError as error:
            self._socket.close()
            raise self._down(error) from error
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, chunks: Iterable[bytes]) -> bool:
        """Send everything; false when the daemon no longer listens, which it may have said why."""
        try:
            for chunk in chunks:
                self._in_time().sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except OSError as error:
            raise self._down(error) from error
        return True

    def finish(self) -> None:
        """Tell the daemon that nothing more comes."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._down(error) from error

    def receive(self, most: int) -> bytes:
        """What the daemon says until it closes, but no more than this many bytes."""
        received = b""
        try:
            while len(received) < most and (chunk := self._in_time().recv(_CHUNK)):
                received += chunk
        except OSError as error:
            raise self._down(error) from error
        return received[:most]

    def _in_time(self) -> socket.socket:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket

    def _down(self, error: OSError) -> Down:
        if isinstance(error, TimeoutError):
            return Down(f"{self._path} gave no answer within {self._seconds:g} s")
        return Down(f"{self._path}: {error.strerror or error}")
