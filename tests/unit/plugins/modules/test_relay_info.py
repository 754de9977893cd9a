from __future__ import annotations

import socketserver
import threading

import pytest

from plugins.modules import relay_info
from tests.unit.run_module import run_module


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 mx1.example.com ESMTP")
        for raw in self.rfile:
            line = raw.decode().strip()
            if line == "QUIT":
                return self.say("221 Bye.")
            address = line.partition(":")[2].strip("<>")
            if line.startswith("MAIL"):
                self.say("535 Authentication required." if self.server.wants_login else "250 Ok.")
            elif line.startswith("RCPT"):
                self.say("250 Ok." if address in self.server.taken else "513 Relaying denied.")
            else:
                self.say("250 mx1.example.com")
        return None

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def server():
    class Server(socketserver.ThreadingTCPServer):
        taken = ("alice@example.com",)
        wants_login = False
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Conversation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run(server, **others):
    answer = run_module(
        relay_info,
        addresses=["127.0.0.1"],
        doors=[{"port": server.server_address[1]}],
        domain="example.com",
        known="alice@example.com",
        **others,
    )
    assert not answer["changed"]
    (door,) = answer["doors"]
    assert door["door"] == f"smtp 127.0.0.1:{server.server_address[1]}"
    assert door["who"] == "stranger"
    return door


def test_a_server_that_relays_for_nobody(server):
    door = run(server)
    assert door["ok"] is True
    assert door["said"] == "42 combinations of sender and recipient, none of them open"


def test_a_server_that_relays(server):
    server.taken = ("alice@example.com", "victim@example.net")
    door = run(server)
    assert door["ok"] is False
    conversation = "MAIL FROM:<> / 250 Ok. / RCPT TO:<victim@example.net> / 250 Ok."
    assert door["said"] == f"open, foreign: {conversation}, and 2 more"
    assert door["open"][0] == conversation


def test_a_server_that_wants_a_login(server):
    server.wants_login = True
    door = run(server)
    assert door["ok"] is True
    assert door["said"] == "wants a login first: 535 Authentication required."


def test_a_server_that_refuses_everything_proves_nothing(server):
    server.taken = ()
    door = run(server)
    assert door["ok"] is None
    assert door["said"].startswith("nothing is proved, since it refuses what it should take: MAIL FROM:<>")


def test_whoever_may_relay_is_no_stranger(server):
    server.taken = ("alice@example.com", "victim@example.net")
    for door in (run(server, relays=["127.0.0.0/8"]), run(server, relays=["192.0.2.0/24"], seen_as=["192.0.2.7"])):
        assert door["ok"] is None
        assert "may relay" in door["said"]


def test_a_port_where_nobody_listens(server):
    server.shutdown()
    server.server_close()
    door = run(server)
    assert door["ok"] is None
    assert door["said"].startswith("nothing can be asked from here: ")


def test_no_password_without_the_certificate_of_the_host(server):
    answer = run_module(
        relay_info,
        addresses=["127.0.0.1"],
        doors=[{"port": server.server_address[1]}],
        domain="example.com",
        known="alice@example.com",
        user="alice@example.com",
        password="hunter2",
        certificate_digest="00",
    )
    assert [(door["who"], door["ok"]) for door in answer["doors"]] == [("stranger", True), ("authenticated", None)]
    assert answer["doors"][1]["said"] == "it shows another certificate than the host has, so nobody logged in"


def test_a_name_has_addresses_of_both_families():
    assert relay_info.addresses(["127.0.0.1", "::1", "localhost"])[:2] == ["127.0.0.1", "::1"]
    assert relay_info.addresses(["nobody.invalid"]) == []
