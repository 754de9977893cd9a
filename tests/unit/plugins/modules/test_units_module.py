"""The module with a systemctl and a journalctl of its own, which keep their units in files."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from plugins.modules import units
from tests.unit.run_module import run_module

# A unit is a file as `systemctl show` shows it; one with a line Broken dies as soon as it runs.
SYSTEMCTL = f"""#!{sys.executable} -IS
import sys, time
from pathlib import Path

home = Path(__file__).parent.parent
verb, *names = (word for word in sys.argv[1:] if word != "--")
said = verb if verb == "show" else " ".join(sys.argv[1:])
with (home / "said").open("a") as stream:
    stream.write(said + "\\n")
if verb == "daemon-reload":
    names = [path.name for path in (home / "units").iterdir()]
missing = {{"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": "", "NeedDaemonReload": "no",
           "InactiveExitTimestampMonotonic": 0, "FragmentPath": "", "DropInPaths": "", "ConsistsOf": "",
           "RequiredBy": ""}}

def read(name):
    path = home / "units" / name
    return dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.exists() else missing

def write(name, **state):
    unit = read(name) | state
    (home / "units" / name).write_text("".join(f"{{key}}={{value}}\\n" for key, value in unit.items()))

if verb == "show":
    properties = names.pop(0).removeprefix("--property=").split(",")
    for name in names:
        print("".join(f"{{key}}={{value}}\\n" for key, value in read(name).items() if key in properties))
    names = []
if (home / "units" / "masked").exists() and verb == "enable":
    sys.exit("Created nothing.\\nFailed to enable unit: Unit file is masked.")
for name in names:
    unit = read(name)
    if unit is missing:
        continue
    if verb == "enable":
        write(name, UnitFileState="enabled")
    if verb == "disable":
        write(name, UnitFileState="disabled")
    if verb == "stop" or verb == "restart":
        write(name, ActiveState="inactive")
        for follower in unit["RequiredBy"].split():
            write(follower, ActiveState="inactive")
    if verb == "restart" or verb == "start" and read(name)["ActiveState"] != "active":
        state = "failed" if unit.get("Broken") else "active"
        write(name, ActiveState=state, InactiveExitTimestampMonotonic=time.monotonic_ns() // 1000)
    if verb == "daemon-reload":
        write(name, NeedDaemonReload="no")
"""
JOURNALCTL = """#!/bin/sh
echo "journalctl $*" >>"${0%/*}/../said"
echo 'Started courier-mta.service.'
echo 'error,relay=::1,msg="535 Authentication failed.",cmd: AUTH PLAIN AGFsaWNlAHNlY3JldA=='
"""
JOURNAL = [
    "Started courier-mta.service.",
    'error,relay=::1,msg="535 Authentication failed.",cmd: AUTH PLAIN ********',
]
SMTP = [b"220 mx1.example.com ESMTP\r\n", b"250 mx1.example.com Ok.\r\n", b"221 Bye.\r\n"]
NOTHING = {"started": [], "restarted": [], "stopped": [], "enabled": [], "disabled": []}


class Host:
    def __init__(self, directory):
        self.directory = directory
        (directory / "units").mkdir()
        (directory / "bin").mkdir()
        for name, program in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
            (directory / "bin" / name).write_text(program)
            (directory / "bin" / name).chmod(0o755)
        # Half a minute younger than what install() says of the units.
        (directory / "esmtpd").touch()
        self.age("esmtpd", 30)

    def age(self, name, seconds):
        then = time.time_ns() - seconds * 10**9
        os.utime(self.directory / name, ns=(then, then))

    def install(self, name, active="active", file="enabled", **more):
        started = time.monotonic_ns() // 1000 - 60_000_000
        state = {
            "RequiredBy": "",
            "ConsistsOf": "",
            "LoadState": "loaded",
            "ActiveState": active,
            "FragmentPath": "",
            "DropInPaths": "",
            "UnitFileState": file,
            "InactiveExitTimestampMonotonic": started,
            "NeedDaemonReload": "no",
        } | more
        (self.directory / "units" / name).write_text("".join(f"{key}={value}\n" for key, value in state.items()))

    def state(self, name):
        lines = (self.directory / "units" / name).read_text().splitlines()
        unit = dict(line.split("=", 1) for line in lines)
        return unit["ActiveState"], unit["UnitFileState"]

    def run(self, *wanted, check=False, timeout=0):
        """The module's answer, and what it asked of systemd and the journal."""
        (self.directory / "said").write_text("")
        answer = run_module(units, check=check, units=list(wanted), timeout=timeout)
        return answer, (self.directory / "said").read_text().splitlines()


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(units, "SETTLE", 0)
    monkeypatch.setattr(units, "PAUSES", (0.001, 0.01))
    return Host(tmp_path)


@contextlib.contextmanager
def port(*conversations, context=None):
    """Where each connection gets another conversation: a greeting, and a line for each that is heard."""

    def serve():
        for conversation in conversations:
            with contextlib.suppress(OSError):
                connection = listener.accept()[0]
                connection.settimeout(10)
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    connection.sendall(conversation[0])
                    for line in conversation[1:]:
                        connection.recv(4096)
                        connection.sendall(line)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def make_pem(path):
    """A key and the certificate that openssl signed with it, in one file."""
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx1.example.com")
    subprocess.run(["openssl", "req", *kind, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_name(f"{path.name}.crt").read_text())
    return path


def up(name, *answers, reads=()):
    return {"name": name, "running": True, "reads": list(reads), "answers": list(answers)}


def down(name):
    return {"name": name, "running": False}


def smtp(port, **more):
    return {"protocol": "smtp", "port": port, **more}


def test_does_nothing_where_nothing_is_to_be_done(host):
    host.install("courier-mta")
    host.install("courier-msa", "inactive", "disabled")
    answer, said = host.run(up("courier-mta"), down("courier-msa"), down("courier-mta-ssl"))
    assert answer == {"changed": False, **NOTHING, "proved": []}
    assert said == ["show"]


def test_no_units_are_no_question(host):
    assert host.run() == ({"changed": False, **NOTHING, "proved": []}, [])


def test_starts_and_enables(host):
    host.install("courier", "failed", "disabled")
    host.install("courier-mta", "inactive", "enabled")
    wanted = up("courier"), up("courier-mta")
    answer, said = host.run(*wanted)
    assert answer == {
        "changed": True,
        **NOTHING,
        "started": ["courier", "courier-mta"],
        "enabled": ["courier"],
        "proved": [],
    }
    assert said == [
        "show",
        "enable -- courier",
        "reset-failed -- courier courier-mta",
        "start -- courier courier-mta",
        "show",
    ]
    assert host.state("courier") == ("active", "enabled")
    assert not host.run(*wanted)[0]["changed"]


def test_restarts_once_and_together_what_is_older_than_its_files(host):
    for name in ("courier", "courier-mta", "courier-msa"):
        host.install(name)
    path = f"{host.directory}/esmtpd"
    wanted = up("courier"), up("courier-mta", reads=[path]), up("courier-msa", reads=[path])
    answer, said = host.run(*wanted)
    assert answer == {"changed": True, **NOTHING, "restarted": ["courier-mta", "courier-msa"], "proved": []}
    assert said == [
        "show",
        "reset-failed -- courier courier-msa courier-mta",
        "restart -- courier-mta courier-msa",
        "start -- courier courier-mta courier-msa",
        "show",
    ]
    assert host.run(*wanted) == ({"changed": False, **NOTHING, "proved": []}, ["show"])


def test_starts_what_a_restart_took_along(host):
    host.install("courier-authdaemon", RequiredBy="courier-mta", ConsistsOf="courier-imap")
    host.install("courier-mta")
    wanted = up("courier-authdaemon", reads=[f"{host.directory}/esmtpd"]), up("courier-mta")
    answer, said = host.run(*wanted)
    assert (answer["started"], answer["restarted"]) == ([], ["courier-authdaemon"])
    assert said[1] == "reset-failed -- courier-authdaemon courier-imap courier-mta"
    assert host.state("courier-mta") == ("active", "enabled")


def test_stops_and_disables(host):
    host.install("courier-msa")
    host.install("courier-mta")
    wanted = up("courier-mta"), down("courier-msa")
    answer, said = host.run(*wanted)
    assert answer == {
        "changed": True,
        **NOTHING,
        "stopped": ["courier-msa"],
        "disabled": ["courier-msa"],
        "proved": [],
    }
    assert said[:3] == ["show", "disable -- courier-msa", "stop -- courier-msa"]
    assert host.state("courier-msa") == ("inactive", "disabled")
    assert host.state("courier-mta") == ("active", "enabled")
    assert not host.run(*wanted)[0]["changed"]


def test_starts_nothing_where_nothing_shall_run(host):
    host.install("courier-msa")
    _answer, said = host.run(down("courier-msa"))
    assert said == ["show", "disable -- courier-msa", "stop -- courier-msa"]


def test_systemd_reads_a_changed_unit_anew(host):
    host.install("courier-mta", NeedDaemonReload="yes")
    answer, said = host.run(up("courier-mta"))
    assert answer["restarted"] == ["courier-mta"]
    assert said[:2] == ["show", "daemon-reload"]
    assert not host.run(up("courier-mta"))[0]["changed"]


def test_systemd_reads_a_service_anew_that_a_timer_starts(host):
    host.install("courier-mail.timer")
    wanted = up("courier-mail.timer", reads=[f"{host.directory}/esmtpd"])
    answer, said = host.run(wanted)
    assert answer["restarted"] == ["courier-mail.timer"]
    assert said[:2] == ["show", "daemon-reload"]
    assert not host.run(wanted)[0]["changed"]


def test_check_mode_changes_nothing(host, closed_port):
    host.install("courier", "inactive", "disabled")
    host.install("courier-mta", NeedDaemonReload="yes")
    host.install("courier-msa")
    wanted = up("courier", smtp(closed_port)), up("courier-mta"), down("courier-msa"), up("courier-imap")
    answer, said = host.run(*wanted, check=True)
    assert answer == {
        "changed": True,
        "started": ["courier", "courier-imap"],
        "restarted": ["courier-mta"],
        "stopped": ["courier-msa"],
        "enabled": ["courier", "courier-imap"],
        "disabled": ["courier-msa"],
        "proved": [],
    }
    assert said == ["show"]
    assert host.state("courier") == ("inactive", "disabled")
    assert host.state("courier-msa") == ("active", "enabled")


def test_refuses_a_unit_that_is_not_installed(host):
    host.install("courier-mta", "inactive", "disabled")
    answer, said = host.run(up("courier-mta"), up("courier-imap"))
    assert answer == {
        "failed": True,
        "msg": "there is no unit courier-imap on this host; install what brings it first",
    }
    assert said == ["show"]


def test_fails_with_the_journal_when_a_unit_dies_after_its_start(host):
    host.install("courier")
    host.install("courier-mta", "inactive", Broken="yes")
    host.install("courier-msa", "inactive", Broken="yes")
    answer, said = host.run(up("courier"), up("courier-mta"), up("courier-msa"))
    assert answer == {
        "failed": True,
        "msg": "systemd was asked to start them, and they do not run: courier-mta (failed), courier-msa (failed)",
        "journal": JOURNAL,
    }
    assert said[-1] == "journalctl --no-pager -o cat -n 20 -u courier-mta -u courier-msa"


def test_fails_with_what_systemctl_says_last(host):
    host.install("courier-mta", "inactive", "masked")
    host.install("masked")
    answer, said = host.run(up("courier-mta"))
    assert answer == {
        "failed": True,
        "msg": "systemctl enable -- courier-mta: Failed to enable unit: Unit file is masked.",
    }
    assert said == ["show", "enable -- courier-mta"]


def test_proves_what_runs_even_if_nothing_changed(host):
    host.install("courier-mta")
    host.install("courier-msa")
    with port(SMTP) as first, port(SMTP) as second:
        answer, _said = host.run(up("courier-mta", smtp(first)), up("courier-msa", smtp(second)))
    assert answer["changed"] is False
    assert answer["proved"] == [f"smtp 127.0.0.1:{first}", f"smtp 127.0.0.1:{second}"]


def test_asks_again_until_it_answers(host):
    host.install("courier-mta")
    early = [b"421 Not yet.\r\n"]
    with port(early, early, early, SMTP) as number:
        answer, _said = host.run(up("courier-mta", smtp(number)), timeout=30)
    assert answer["proved"] == [f"smtp 127.0.0.1:{number}"]


def test_fails_with_the_journal_when_a_unit_does_not_answer(host, closed_port):
    host.install("courier")
    host.install("courier-mta")
    answer, said = host.run(up("courier"), up("courier-mta", smtp(closed_port)))
    assert answer == {
        "failed": True,
        "msg": f"courier-mta does not prove itself on smtp 127.0.0.1:{closed_port}: Connection refused",
        "journal": JOURNAL,
    }
    assert said == ["show", "journalctl --no-pager -o cat -n 20 -u courier-mta"]


def test_gives_up_after_a_while(host, closed_port):
    host.install("courier-mta")
    began = time.monotonic()
    assert host.run(up("courier-mta", smtp(closed_port)), timeout=1)[0]["failed"]
    assert time.monotonic() - began > 0.9


def test_asks_nothing_of_what_shall_not_run(host, closed_port):
    host.install("courier-mta", "inactive", "disabled")
    answer, _said = host.run(down("courier-mta") | {"answers": [smtp(closed_port)]})
    assert answer == {"changed": False, **NOTHING, "proved": []}


def test_an_authdaemon_answers_on_its_socket(host):
    host.install("courier-authdaemon")
    answer, _said = host.run(up("courier-authdaemon", {"protocol": "authdaemon", "socket": f"{host.directory}/none"}))
    assert answer["msg"] == (
        f"courier-authdaemon does not prove itself on authdaemon {host.directory}/none: No such file or directory"
    )


def test_the_first_certificate_of_the_file_is_to_be_served(host):
    host.install("courier-mta-ssl")
    pem, other = (make_pem(host.directory / name) for name in ("mail.pem", "other.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    pem.write_text(pem.read_text() + other.read_text())
    with port(SMTP, SMTP, context=context) as number:
        wanted = [up("courier-mta-ssl", smtp(number, tls="implicit", certificate=str(path))) for path in (pem, other)]
        served, not_served = (host.run(one)[0] for one in wanted)
    assert served["proved"] == [f"smtp 127.0.0.1:{number} TLSv1.3"]
    assert not_served["msg"].startswith(
        f"courier-mta-ssl does not prove itself on smtp 127.0.0.1:{number}: it should serve the certificate with the "
    )


@pytest.mark.parametrize("text", [None, "no PEM\n"], ids=["no file", "no certificate in it"])
def test_restarts_nothing_without_its_certificate(host, closed_port, text):
    host.install("courier-mta")
    pem = host.directory / "mail.pem"
    if text:
        pem.write_text(text)
    answer_of = smtp(closed_port, tls="starttls", certificate=str(pem))
    answer, said = host.run(up("courier-mta", answer_of, reads=[f"{host.directory}/esmtpd"]))
    assert answer == {"failed": True, "msg": f"{pem} holds no certificate in PEM"}
    assert said == ["show"]


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_a_protocol_needs_a_port(host, protocol):
    answer, said = host.run(up("courier-mta", {"protocol": protocol}))
    assert answer["msg"] == (
        f"protocol is {protocol} but all of the following are missing: port found in units -> answers"
    )
    assert said == []
