"""The module with a mail server of its own, which says what it is told to say."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from plugins.modules import letter
from tests.unit.run_module import run_module

ALICE = {"direction": "in: local", "sender": "root@mx1.example.com", "recipient": "alice@example.com"}
TAKEN = "250 Ok. 000000006B069D9B.00000B86"


@pytest.fixture
def serve():
    """A server that answers each verb as told; it returns its port, and what it heard."""
    with contextlib.ExitStack() as stack:

        def serve(**answers):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            heard: list[str] = []

            def talk():
                with contextlib.suppress(OSError):
                    connection, _address = listener.accept()
                    with connection, connection.makefile("rwb", buffering=0) as stream:
                        stream.write(b"220 hello\r\n")
                        for line in stream:
                            heard.append(line.decode().strip())
                            verb = heard[-1][:4].upper()
                            if verb == "DATA":
                                stream.write(b"354 go on\r\n")
                                while (text := stream.readline()) not in (b".\r\n", b""):
                                    heard.append(text.decode().strip())
                                verb = "DOT"
                            stream.write(({"QUIT": "221 bye"} | answers).get(verb, "250 ok").encode() + b"\r\n")

            threading.Thread(target=talk, daemon=True).start()
            return {"host": "127.0.0.1", "port": listener.getsockname()[1], "tls": "none"}, heard

        yield serve


def send(*letters, **arguments):
    return run_module(letter, letters=list(letters), **arguments)


def test_says_what_the_server_said_and_how_it_calls_the_letter(serve):
    server, heard = serve(DOT=TAKEN)
    answer = send(ALICE | server)
    (sent,) = answer["letters"]
    assert answer["changed"]
    assert (sent["accepted"], sent["said"], sent["id"]) == (True, TAKEN, "000000006B069D9B.00000B86")
    assert any(sent["mark"] in line for line in heard if line.startswith("Subject: "))


def test_no_two_letters_have_the_same_mark(serve):
    servers = [serve()[0], serve()[0]]
    assert len({sent["mark"] for sent in send(*(ALICE | server for server in servers))["letters"]}) == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DOT"])
def test_a_refusal_is_no_failure(serve, verb):
    server, _heard = serve(**{verb: "550 no"})
    (sent,) = send(ALICE | server)["letters"]
    assert (sent["accepted"], sent["reached"], sent["said"]) == (False, True, "550 no")


def test_a_shut_port_is_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (sent,) = send(ALICE | {"host": "127.0.0.1", "port": port, "tls": "none"})["letters"]
    assert (sent["accepted"], sent["reached"], sent["said"]) == (False, True, "Connection refused")


def test_a_name_that_nobody_has_is_none():
    (sent,) = send(ALICE | {"host": "nobody.invalid", "tls": "none"})["letters"]
    assert (sent["accepted"], sent["reached"]) == (False, False)


def test_insists_on_starttls(serve):
    server, heard = serve()
    (sent,) = send(ALICE | server | {"tls": "starttls"})["letters"]
    assert not sent["accepted"]
    assert "STARTTLS" in sent["said"]
    assert not [line for line in heard if line.startswith("MAIL")]


UNSAFE = {
    "in clear": {"tls": "none", "certificate": "/etc/ssl/mail/mail.pem"},
    "to whomever": {"tls": "starttls"},
}


@pytest.mark.parametrize("server", UNSAFE.values(), ids=UNSAFE)
def test_says_no_password(server):
    answer = send(ALICE | server | {"host": "127.0.0.1", "user": "alice@example.com", "password": "hunter2"})
    assert answer["failed"]
    assert answer["msg"] == (
        "in: local: a password goes only to a server that proves itself; "
        "write tls starttls or implicit, and the certificate of the server"
    )


def test_hands_on_what_is_skipped(serve):
    answer = send(ALICE | {"skipped": "no contact"})
    assert not answer["changed"]
    assert answer["letters"][0]["skipped"] == "no contact"


def test_a_dry_run_sends_nothing(serve):
    server, heard = serve()
    answer = send(ALICE | server, check=True)
    assert answer["changed"]
    assert answer["letters"][0]["skipped"] == "would be sent"
    assert heard == []
