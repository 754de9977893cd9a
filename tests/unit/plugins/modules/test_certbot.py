from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.modules import certbot
from tests.unit.run_module import run_module

WANTED = {
    "names": ["mx.example.org"],
    "contact": "alice@example.org",
    "server": "https://acme.example.net/directory",
    "challenge": "webroot",
    "hook": "/usr/local/lib/serve",
    "on_failure": "/usr/local/lib/tell alice@example.org",
}
REPORT = "courier-certificate-report.service"
DROP_IN = "certbot.service.d/courier-mail.conf"


class Host:
    """A host with a certbot that makes the certificates itself, and a systemd that has read everything."""

    def __init__(self, directory: Path) -> None:
        self.letsencrypt, self.systemd, self.web = (directory / name for name in ("letsencrypt", "systemd", "web"))
        for made in (self.letsencrypt / "renewal", self.letsencrypt / "live/courier-mail", self.systemd, self.web):
            made.mkdir(parents=True)
        self.renewal = self.letsencrypt / "renewal/courier-mail.conf"
        self.certbot_says: tuple[int, str] = (0, "")
        self.stale = False
        self.asked: list[str] = []

    def run_command(self, command: list[str], **how: Any) -> tuple[int, str, str]:
        if command[0] == "openssl":
            done = subprocess.run(command, input=how.get("data", "").encode(), check=False, capture_output=True)
            return done.returncode, done.stdout.decode(), done.stderr.decode()
        self.asked.append(" ".join(command[:2]))
        if command[:2] == ["systemctl", "show"]:
            return 0, f"NeedDaemonReload={'yes' if self.stale else 'no'}\n", ""
        if command[:2] == ["certbot", "certonly"] and self.certbot_says[0] == 0:
            self.issue(command)
        if command[:2] == ["certbot", "delete"]:
            self.renewal.unlink()
        return (*self.certbot_says, "")

    def issue(self, command: list[str]) -> None:
        names = [command[at + 1] for at, word in enumerate(command) if word == "--domain"]
        given = dict(itertools.pairwise(command))
        extension = f"subjectAltName={','.join(f'DNS:{name}' for name in names)}"
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "/dev/null")
        chain = self.letsencrypt / "live/courier-mail/fullchain.pem"
        subprocess.run(
            ["openssl", "req", "-x509", *key, "-out", chain, "-subj", "/CN=x", "-addext", extension, "-days", "90"],
            check=True,
            capture_output=True,
        )
        self.renewal.write_text(
            "[renewalparams]\n"
            f"key_type = {given['--key-type']}\nrenew_hook = {given['--deploy-hook']}\nserver = {given['--server']}\n"
            + (
                f"authenticator = webroot\nwebroot_path = {given['--webroot-path']},\n[[webroot_map]]\n"
                if "--webroot" in given
                else "authenticator = standalone\n"
            )
        )


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    monkeypatch.setattr(certbot, "LETSENCRYPT", str(host.letsencrypt))
    monkeypatch.setattr(certbot, "SYSTEMD", str(host.systemd))
    monkeypatch.setattr(certbot, "OWNER", str(tmp_path.stat().st_uid))
    monkeypatch.setattr(certbot, "_port_is_free", lambda _port: True)
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda _self, name, *_: f"/usr/bin/{name}")
    monkeypatch.setattr(AnsibleModule, "run_command", host.run_command)
    return host


def run(host: Host, *, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(certbot, check=check, **WANTED | {"webroot": str(host.web)} | options)


def test_gets_a_certificate_once(host: Host) -> None:
    answer = run(host)
    assert (answer["changed"], answer["reasons"]) == (True, ["there is none"])
    assert answer["chain_path"] == f"{host.letsencrypt}/live/courier-mail/fullchain.pem"
    assert answer["files"] == [f"{host.systemd}/{name}" for name in (DROP_IN, REPORT)]
    assert host.asked == ["certbot certonly", "systemctl show", "systemctl daemon-reload"]

    host.asked = []
    assert run(host)["changed"] is False
    assert host.asked == ["systemctl show"]


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["mx.example.org", "imap.example.org"]},
        {"key_type": "rsa"},
        {"challenge": "standalone", "webroot": None},
        {"server": "https://other.example.net/directory"},
        {"hook": "/usr/local/lib/other"},
    ],
    ids="-".join,
)
def test_a_change_gets_another(host: Host, change: dict[str, Any]) -> None:
    run(host)
    assert run(host, check=True, **change)["changed"] is True
    assert run(host, **change)["changed"] is True
    assert run(host, **change)["changed"] is False


def test_another_contact_gets_none(host: Host) -> None:
    run(host)
    host.asked = []
    change = {"contact": "bob@example.org", "on_failure": "/usr/local/lib/tell bob@example.org"}
    assert run(host, **change)["files"] == [f"{host.systemd}/{REPORT}"]
    assert "certbot certonly" not in host.asked


def test_a_dry_run_asks_nobody_and_writes_nothing(host: Host) -> None:
    answer = run(host, check=True)
    assert (answer["changed"], answer["reasons"]) == (True, ["there is none"])
    assert host.asked == []
    assert list(host.systemd.iterdir()) == []


def test_says_what_certbot_said(host: Host) -> None:
    host.certbot_says = (1, "Saving debug log to /var/log\n  Detail: connection refused\n")
    assert run(host)["msg"] == "no certificate for mx.example.org: Detail: connection refused"
    assert list(host.systemd.iterdir()) == []


def test_refuses_what_nobody_would_sign(host: Host) -> None:
    assert run(host, contact="")["msg"].startswith("contact is ''")
    assert host.asked == []


@pytest.mark.parametrize("check", [True, False])
def test_refuses_a_challenge_that_could_not_be_answered(
    host: Host, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    absent = f"{host.web}/absent"
    assert f"certificates_acme_webroot is {absent}" in run(host, check=check, webroot=absent)["msg"]
    monkeypatch.setattr(certbot, "_port_is_free", lambda _port: False)
    assert "needs port 80" in run(host, check=check, challenge="standalone", webroot=None)["msg"]
    assert "msg" not in run(host, check=check)


def test_systemd_reads_what_a_run_that_died_has_written(host: Host) -> None:
    run(host)
    host.stale, host.asked = True, []
    assert run(host)["changed"] is True
    assert host.asked == ["systemctl show", "systemctl daemon-reload"]


def test_forgets(host: Host) -> None:
    run(host)
    host.asked = []
    assert run(host, check=True, state="absent")["changed"] is True
    assert (host.systemd / REPORT).exists()
    answer = run(host, state="absent")
    assert (answer["changed"], answer["reasons"]) == (True, ["it is not wanted any more"])
    assert "certbot delete" in host.asked
    assert list(host.systemd.iterdir()) == []
    assert run(host, state="absent")["changed"] is False


def test_forgets_nothing_of_others(host: Host) -> None:
    (host.systemd / DROP_IN).parent.mkdir()
    (host.systemd / DROP_IN).with_name("other.conf").touch()
    assert run(host, state="absent")["changed"] is False
    assert "certbot delete" not in host.asked
    assert (host.systemd / DROP_IN).with_name("other.conf").exists()


def test_a_port_is_free_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert certbot._port_is_free(server.getsockname()[1]) is False
    assert certbot._port_is_free(0) is True


def test_shows_our_webroot_itself_until_the_web_server_does(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    @contextlib.contextmanager
    def answering(webroot: str) -> Iterator[None]:
        shown.append(webroot)
        yield

    monkeypatch.setattr(certbot, "answering", answering)
    run(host, own_webroot=True)
    assert shown == [str(host.web)]
    # It has port 80 now.
    monkeypatch.setattr(certbot, "_port_is_free", lambda _port: False)
    run(host, own_webroot=True, key_type="rsa")
    assert shown == [str(host.web)]


def test_our_web_server_gives_way_where_it_is_wanted_no_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certbot, "_port_is_free", lambda _port: False)
    mark = host.web / "mark"
    alone = {"challenge": "standalone", "webroot": None, "replaces": str(mark)}
    assert "another program listens there" in run(host, **alone)["msg"]
    mark.touch()
    assert run(host, check=True, **alone)["changed"] is True
    assert "systemctl stop" not in host.asked
    assert run(host, **alone)["changed"] is True
    assert host.asked.index("systemctl stop") < host.asked.index("certbot certonly")
    host.asked = []
    assert run(host, **alone)["changed"] is False
    assert "systemctl stop" not in host.asked


def test_refuses_to_listen_where_our_web_server_will(host: Host) -> None:
    answer = run(host, challenge="standalone", webroot=None, own_webroot=True)
    assert "which needs port 80 at each renewal, and the web server of the role nginx has it" in answer["msg"]
    assert host.asked == []
