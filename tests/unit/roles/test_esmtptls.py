# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program in the place of COURIERTLS: what it makes of whom Courier believes to talk to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/courier_mta/files/esmtptls.py"
TABLE = """\
relay.example.net,{port} verified MODERN
[2001:db8::1],{port} unverified MODERN
filter.example.net,{port} unverified
elsewhere.example.net,1 verified OTHER
"""


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        yield client


@pytest.fixture
def program(peer: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loader = SourceFileLoader("esmtptls", str(PROGRAM))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    spec = spec_from_loader("esmtptls", loader)
    assert spec
    program = module_from_spec(spec)
    loader.exec_module(program)
    table = tmp_path / "esmtptls"
    table.write_text(TABLE.format(port=peer.getpeername()[1]))
    monkeypatch.setattr(program, "TABLE", str(table))
    return program


@pytest.fixture
def call(program: ModuleType, peer: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the program starts for a peer, and with what in its environment."""

    def call(name: str | None, **environment: str) -> tuple[list[str], dict[str, str]]:
        started = []
        monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
        named = [] if name is None else [f"-verify={name}"]
        program.main([f"-remotefd={peer.fileno()}", *named], environment)
        ((path, arguments, passed),) = started
        assert (path, arguments[0]) == (program.COURIERTLS, program.COURIERTLS)
        return arguments[2:], passed

    return call


@pytest.fixture
def refused(program: ModuleType, peer: socket.socket) -> Any:
    """What Courier gets to read instead."""

    def refused(*arguments: str) -> str:
        reader, writer = os.pipe()
        with pytest.raises(SystemExit):
            program.main([f"-statusfd={writer}", f"-remotefd={peer.fileno()}", *arguments], {})
        os.close(writer)
        with os.fdopen(reader) as said:
            return said.read()

    return refused


class TestRelays:
    def test_is_verified_with_the_profile_of_its_route(self, call):
        assert call("relay.example.net", TLS_PRIORITY="WORLD") == (
            ["-verify=relay.example.net"],
            {"TLS_PRIORITY": "MODERN"},
        )

    def test_the_case_of_a_name_makes_no_difference(self, call):
        assert call("Relay.Example.NET")[1] == {"TLS_PRIORITY": "MODERN"}

    def test_an_address_is_not_verified(self, call):
        assert call("[2001:db8::1]") == ([], {"TLS_PRIORITY": "MODERN"})

    def test_a_route_without_security_is_met_like_the_world(self, call):
        assert call("filter.example.net", TLS_PRIORITY="WORLD") == ([], {"TLS_PRIORITY": "WORLD"})

    @pytest.mark.parametrize(
        "name", ["mx.example.net", "elsewhere.example.net", "", "../etc/passwd", "relay.example.net,25 verified", "ä"]
    )
    def test_nobody_else_gets_through(self, refused, peer, name):
        said = refused(f"-verify={name}")
        assert f"no route names {name},{peer.getpeername()[1]}" in said

    def test_neither_does_a_peer_without_a_name(self, refused):
        assert "no route names ," in refused()

    def test_nor_any_when_the_table_is_gone(self, refused, program):
        os.unlink(program.TABLE)
        assert "No such file" in refused("-verify=relay.example.net")


class TestTheWorld:
    @pytest.fixture(autouse=True)
    def port_25(self, program, peer, monkeypatch):
        monkeypatch.setattr(program, "WORLD", peer.getpeername()[1])

    def test_is_not_verified(self, call):
        environment = {"TLS_PRIORITY": "WORLD", "TLS_VERIFYPEER": "NONE"}
        assert call("mx.example.net", **environment) == ([], environment)

    def test_is_verified_where_its_policy_says_so(self, call):
        assert call("mx.example.net", TLS_VERIFYPEER="PEER")[0] == ["-verify=mx.example.net"]

    def test_has_no_use_for_the_table(self, call, program):
        os.unlink(program.TABLE)
        assert call("relay.example.net")[0] == []


def test_a_connection_that_is_none_is_refused(program, tmp_path):
    with (tmp_path / "file").open("w") as file, pytest.raises(SystemExit):
        program.main([f"-remotefd={file.fileno()}", "-verify=relay.example.net"], {})
