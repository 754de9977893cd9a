"""The host that is backed up."""

from __future__ import annotations

import os

import pytest

from plugins.module_utils._backup import _bring
from tests.unit.backed_up import Host


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with some of everything, whoever runs the test."""
    monkeypatch.setattr(_bring, "_ids", lambda _name: (os.getuid(), os.getgid()))
    monkeypatch.setattr(_bring.Bring, "_people", lambda _self, _owners: [])
    made = Host(tmp_path)
    made.letter("1.M1P1.mx1:2,S")
    made.letter("2.M2P2.mx1:2,FS", "Subject: two\n\nwith flags\n", folder=".Archive.2026")
    made.letter("3.M3P3.mx1", part="new", home="example.org/bob")
    key = made.keys / "example.com" / "mx1.private"
    key.parent.mkdir(mode=0o750)
    key.write_text("a key")
    key.chmod(0o640)
    (made.keys / "current").symlink_to("example.com/mx1.private")
    made.queued(4711)
    return made
