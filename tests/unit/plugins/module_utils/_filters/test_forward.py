"""The service that passes mail on, as its clients see it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plugins.module_utils._filters import _forward
from plugins.module_utils._filters._forward import Answer, Service, Settings, ask
from plugins.module_utils._filters._resolve import Temporary

CLIENT = Path(__file__).parents[5] / "roles/courier_srs/files/forward.py"
SETTINGS = Settings(domain="mx1.example.com", ours=["example.com", "mx1.example.com"])
SECRETS = ("a long secret of ours",)
ME = (os.getuid(),)
TEXT = b"From: Bob <bob@example.net>\nSubject: s\n\nHello\n"


class World:
    """What the service does to the world, and what DNS says."""

    def __init__(self):
        self.sent, self.records, self.refusals = [], {}, []

    def send(self, sender, recipients, text):
        for refusal in self.refusals:
            raise refusal
        self.sent.append((sender, list(recipients), text))

    def resolver(self):
        def look(name, kind):
            found = self.records.get(name, [])
            if found is None:
                raise Temporary(f"DNS has no answer for {kind} of {name}")
            return found

        return look


@pytest.fixture
def world():
    return World()


def made(world, secrets=SECRETS, settings=SETTINGS):
    service = Service(settings, secrets, world.send, lambda text, _name, _host: b"ARC-Seal: x\n" + text)
    service.resolver = world.resolver
    return service


@pytest.fixture
def service(world):
    return made(world)


def forward(service, *said, text=TEXT):
    return service.answer(
        ["forward", *(said or ("left@example.com", "bob@example.net", "left@example.net"))], lambda: text
    )


class TestForward:
    def test_goes_on_with_a_sender_of_ours_and_a_trace(self, service, world):
        forward(service)
        ((sender, recipients, text),) = world.sent
        assert sender.startswith("SRS0-")
        assert recipients == ["left@example.net"]
        assert text == b"Delivered-To: left@example.com\n" + TEXT

    def test_nobody_stays_nobody(self, service, world):
        forward(service, "left@example.com", "", "a@example.net", "b@example.net")
        assert world.sent[0][:2] == ("", ["a@example.net", "b@example.net"])

    @pytest.mark.parametrize("before", ["left@example.com", "LEFT@Example.com", " left@example.com "])
    def test_a_loop_stops(self, service, world, before):
        with pytest.raises(Answer) as answer:
            forward(service, text=f"Delivered-To: {before}\n".encode() + TEXT)
        assert answer.value.code == 67
        assert answer.value.text == "Mail loop: left@example.com has had this message before"
        assert not world.sent

    def test_what_went_to_others_is_no_loop(self, service, world):
        forward(service, text=b"Delivered-To: right@example.com\n" + TEXT)
        assert world.sent

    def test_without_a_secret_it_waits(self, world):
        with pytest.raises(Answer) as answer:
            forward(made(world, secrets=()))
        assert answer.value.code == 75

    def test_without_an_answer_of_dns_it_waits(self, service, world):
        world.records["_dmarc.example.net"] = None
        with pytest.raises(Answer) as answer:
            forward(service)
        assert answer.value.code == 75
        assert not world.sent

    def test_is_shielded_where_it_would_be_refused(self, service, world):
        world.records["_dmarc.example.net"] = ["v=DMARC1; p=reject"]
        forward(service)
        assert b'\nFrom: "Bob via example.com"\n <left@example.com>\n' in world.sent[0][2]
        assert b"X-Courier-Mail-Shielded:" in world.sent[0][2]

    def test_is_not_where_the_operator_does_not_want_it(self, world):
        world.records["_dmarc.example.net"] = ["v=DMARC1; p=reject"]
        forward(made(world, settings=Settings(domain="mx1.example.com", shield=False)))
        assert world.sent[0][2].endswith(TEXT)

    def test_nobody_else_says_that_it_was_shielded(self, service, world):
        forward(service, text=b"X-Courier-Mail-SHIELDED : yes\n" + TEXT)
        assert b"shielded" not in world.sent[0][2].lower()

    def test_is_sealed_if_the_operator_wants_it(self, world):
        forward(made(world, settings=Settings(domain="mx1.example.com", arc=True)))
        assert world.sent[0][2].startswith(b"ARC-Seal: x\nDelivered-To: ")

    def test_a_sender_that_is_none_is_refused(self, service):
        with pytest.raises(Answer) as answer:
            forward(service, "left@example.com", "bob", "left@example.net")
        assert answer.value.code == 77


class TestBack:
    def back(self, service, address, sender="", text=TEXT):
        return service.answer(["back", address, sender], lambda: text)

    def test_finds_the_first_sender(self, service, world):
        address = service.answer(["rewrite", "Bob@example.net"], bytes)
        self.back(service, address)
        assert world.sent == [("", ["Bob@example.net"], f"Delivered-To: {address}\n".encode() + TEXT)]

    def test_is_shielded_where_it_would_be_refused(self, service, world):
        """Nobody signs reports, and the server that wrote this one is not the one that brings it."""
        world.records["_dmarc.example.net"] = ["v=DMARC1; p=reject"]
        self.back(service, service.answer(["rewrite", "bob@example.org"], bytes))
        assert b'\nFrom: "Bob via mx1.example.com"\n <postmaster@mx1.example.com>\n' in world.sent[0][2]

    def test_forged_is_refused(self, service, world):
        with pytest.raises(Answer) as answer:
            self.back(service, "SRS0-AAAA=BB=example.net=bob@mx1.example.com")
        assert answer.value.code == 67
        assert not world.sent

    def test_with_a_sender_is_refused(self, service, world):
        with pytest.raises(Answer) as answer:
            self.back(service, service.answer(["rewrite", "bob@example.net"], bytes), "eve@example.net")
        assert answer.value.code == 77
        assert not world.sent


@pytest.mark.parametrize("said", [[""], ["forward", "a", "b"], ["back", "a"], ["delete", "a"], ["reverse"]])
def test_what_nobody_can_ask_is_refused(service, said):
    with pytest.raises(Answer) as answer:
        service.answer(said, bytes)
    assert answer.value.code == 64


class TestSendmail:
    @pytest.fixture
    def sendmail(self, tmp_path, monkeypatch):
        def be(script):
            path = tmp_path / "sendmail"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            monkeypatch.setattr(_forward, "_SENDMAIL", str(path))
            return tmp_path

        return be

    def test_gets_the_message_whole_and_leaves_it_alone(self, sendmail):
        directory = sendmail('cat >"${0%/*}/text"; env >"${0%/*}/env"; printf "%s\\n" "$@" >"${0%/*}/arguments"')
        _forward.sendmail("SRS0-x@mx1.example.com", ["-t@example.net", "b@example.net"], TEXT)
        assert (directory / "text").read_bytes() == TEXT
        assert (directory / "arguments").read_text().splitlines() == [
            "-f",
            "SRS0-x@mx1.example.com",
            '"-t"@example.net',
            "b@example.net",
        ]
        assert "NOADDRREWRITE=2" in (directory / "env").read_text()

    @pytest.mark.parametrize(("ended", "code"), [(69, 69), (75, 75), (71, 75), (1, 75), (77, 77)])
    def test_a_refusal_is_said_to_courier(self, sendmail, ended, code):
        sendmail(f"echo 550 no virus; exit {ended}")
        with pytest.raises(Answer) as answer:
            _forward.sendmail("", ["a@example.net"], TEXT)
        assert (answer.value.code, answer.value.text) == (code, "550 no virus")


class TestSecrets:
    def test_are_lines_of_a_credential(self, tmp_path):
        (tmp_path / "srs-secrets").write_text("# mine\none\n\n two \n")
        assert _forward.secrets({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ["one", "two"]

    @pytest.mark.parametrize("text", [None, "", "#"])
    def test_there_are_none(self, tmp_path, capsys, text):
        if text is not None:
            (tmp_path / "srs-secrets").write_text(text)
        assert _forward.secrets({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == []
        assert "srs-secrets" in capsys.readouterr().err


class TestMaking:
    @pytest.fixture
    def environment(self, tmp_path):
        (tmp_path / "srs-secrets").write_text("a long secret of ours\n")
        return {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    @pytest.fixture
    def configuration(self, tmp_path):
        path = tmp_path / "forward.json"
        path.write_text('{"domain": "mx1.example.com", "users": ["courier"]}')
        return path

    def test_takes_what_the_role_wrote(self, configuration, environment):
        service, users = _forward.made(str(configuration), environment)
        assert users == ["courier"]
        assert service.answer(["rewrite", "bob@example.net"], bytes).startswith("SRS0-")

    @pytest.mark.parametrize("text", ["", "{}", '{"domain": 1}', '{"domain": "x", "ours_": []}'])
    def test_answers_where_the_configuration_makes_no_sense(self, configuration, environment, text):
        configuration.write_text(text)
        service, _users = _forward.made(str(configuration), environment)
        with pytest.raises(Answer) as answer:
            service.answer(["rewrite", "bob@example.net"], bytes)
        assert answer.value.code == 75

    def test_answers_where_a_library_is_missing(self, configuration, environment, monkeypatch):
        monkeypatch.setattr(_forward, "_LIBRARIES", ("no_such_library",))
        service, users = _forward.made(str(configuration), environment)
        assert users == ["courier"]
        with pytest.raises(Answer, match="no_such_library"):
            service.answer(["rewrite", "bob@example.net"], bytes)


class TestServer:
    @pytest.fixture
    def serve(self, tmp_path, service):
        servers = []

        def start(allowed=ME):
            path = str(tmp_path / "socket")
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
            listening.listen()
            server = _forward._Server(listening, service, set(allowed))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            servers.append((server, listening, thread))
            return path

        yield start
        for server, listening, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()
            listening.close()

    @pytest.fixture
    def client(self, tmp_path):
        def run(path, *arguments, text=TEXT, **environment):
            program = (
                f"import sys; sys.path.insert(0, {str(CLIENT.parent)!r}); import forward; "
                f"raise SystemExit(forward.main(sys.argv[1:], {environment!r}, {path!r}))"
            )
            command = [sys.executable, "-BIS", "-c", program, *arguments]
            return subprocess.run(command, input=text, capture_output=True, check=False)

        return run

    def test_answers_what_was_asked(self, serve):
        path = serve()
        code, address = ask(path, ["rewrite", "bob@example.net"], 5)
        assert code == 0
        assert ask(path, ["reverse", address], 5) == (0, "bob@example.net")

    def test_strangers_may_not_ask(self, serve):
        code, said = ask(serve(allowed=[4]), ["rewrite", "bob@example.net"], 5)
        assert code == 75
        assert "may not ask" in said

    def test_a_client_hands_a_message_over(self, serve, client, world):
        done = client(serve(), "left@example.com", "a@example.net", SENDER="bob@example.net")
        assert (done.returncode, done.stdout) == (0, b"")
        assert world.sent[0][1:] == (["a@example.net"], b"Delivered-To: left@example.com\n" + TEXT)

    def test_a_name_of_a_whole_domain_becomes_the_address(self, serve, client, world):
        done = client(serve(), "@example.com", "a@example.net", SENDER="", DEFAULT="Any.Body")
        assert done.returncode == 0
        assert world.sent[0][2].startswith(b"Delivered-To: Any.Body@example.com\n")

    def test_a_client_hears_of_a_refusal(self, serve, client, world):
        world.refusals = [Answer(69, "550 no virus")]
        done = client(serve(), "left@example.com", "a@example.net", SENDER="")
        assert (done.returncode, done.stdout) == (69, b"550 no virus\n")

    def test_a_bounce_comes_back(self, serve, client, world):
        path = serve()
        _code, address = ask(path, ["rewrite", "bob@example.net"], 5)
        assert client(path, "--back", SENDER="", RECIPIENT=address).returncode == 0
        assert world.sent[0][:2] == ("", ["bob@example.net"])

    @pytest.mark.parametrize("environment", [{}, {"SENDER": ""}])
    def test_a_client_that_courier_tells_too_little_keeps_the_message(self, serve, client, environment):
        assert client(serve(), "--back", **environment).returncode == 75

    def test_a_failure_keeps_the_message(self, serve, client, world):
        world.refusals = [KeyError("oops")]
        assert client(serve(), "left@example.com", "a@example.net", SENDER="").returncode == 75

    def test_nobody_there_keeps_the_message(self, client, tmp_path):
        done = client(str(tmp_path / "nothing"), "left@example.com", "a@example.net", SENDER="")
        assert done.returncode == 75
        assert b"does not answer" in done.stdout

    def test_who_gives_nothing_keeps_it(self, serve, client, world):
        assert client(serve(), "left@example.com", "a@example.net", text=b"", SENDER="").returncode == 75
        assert not world.sent

    def test_nothing_goes_twice_where_the_client_has_gone(self, serve, world):
        path = serve()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(b"forward\0left@example.com\0\0a@example.net\n" + TEXT)
        ask(path, ["rewrite", "bob@example.net"], 5)  # it had its turn
        for server_thread in threading.enumerate():
            if "process_request" in server_thread.name:
                server_thread.join()
        assert not world.sent
