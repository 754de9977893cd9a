# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario may ask for: the hosts of the bed, and ways to talk to them about mail.

The tests run on the machine that runs the containers. A client is one of Python's own whose socket was opened inside
the network of a host of the bed, so a test says who calls, over which address family, and reads like the conversation.
"""

from __future__ import annotations

import base64
import ctypes
import email
import email.policy
import functools
import hmac
import http.client
import imaplib
import json
import re
import secrets
import smtplib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import docker
import pytest
import testinfra
from testinfra.backend.base import CommandResult
from testinfra.backend.docker import DockerBackend

from tests.inside import entering, first_process
from tests.playbook import play_on_bed, sources

TIMEOUT = 60  # seconds that a server may take for one answer
CLONE_NEWNET = 0x40000000

PASSPHRASE = "correct horse battery staple"
PASSWORDS = {"dave": "".join(map(chr, range(0x20, 0x7F)))}

Answer = TypeVar("Answer")


class Account(NamedTuple):
    """Who may log in: `client.login(*account)`."""

    address: str
    password: str


class Trust(ssl.SSLContext):
    """Trusts one certificate under one name, whichever address of the host was dialled."""

    name: str

    def wrap_socket(self, sock: socket.socket, **_: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, server_hostname=self.name)


class Shell(DockerBackend):
    """Runs commands in a container without troubling its engine."""

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        asked = self.get_command(command, *args)
        result = self.run_local(" ".join(entering(self.name)) + " /bin/sh -c %s", asked)
        result.command = self.encode(asked)  # which is what a failed test shows
        return result


class Host:
    """A host of the bed. Which one it is, its name and its addresses tell, as they tell any other host."""

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        self.name = name
        self.addresses = {"ipv4": facts["bed_ipv4"], "ipv6": facts["bed_ipv6"]}
        self.container = docker.from_env().containers.get(f"{facts['bed_name']}-{name}")
        shell = testinfra.host.Host(Shell(self.container.name))
        self.run, self.check_output = shell.run, shell.check_output

    def inside(self, call: Callable[[], Answer]) -> Answer:
        """Make a call in this host's network. A socket that it opens stays there."""

        def enter() -> None:
            with open(f"/proc/{first_process(self.container.name)}/ns/net") as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter the network of {self.name}")

        # Only a thread changes its network, and this one ends with the call.
        with ThreadPoolExecutor(1, initializer=enter) as thread:
            return thread.submit(call).result()

    def connect(self, address: str, port: int) -> socket.socket:
        """A TCP connection from this host."""
        return self.inside(lambda: socket.create_connection((address, port), TIMEOUT))

    def ask(self, path: str, said: bytes) -> bytes:
        """Say something to a daemon that listens on a path of this host, and return all that comes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(f"/proc/{first_process(self.container.name)}/root{path}")
            connection.sendall(said)
            with connection.makefile("rb") as stream:
                return stream.read()

    def run_unit(self, unit: str) -> None:
        """Have a unit that ends by itself run from its beginning.

        Whoever starts one that a timer has started only waits for that run, which may have looked before.
        """
        once = "systemctl start %s"
        active = "[ $(systemctl show --property=ActiveState --value %s) = activating ]"
        self.check_output(f"if {active}; then {once}; fi; {once}", unit, unit, unit)

    def is_open(self, port: int, family: str = "ipv4") -> bool:
        """Whether somebody listens on this host's address."""
        try:
            self.connect(self.addresses[family], port).close()
        except ConnectionRefusedError:
            return False
        return True

    def call(self, caller: Host, port: int, family: str = "ipv4", *, address: str = "") -> smtplib.SMTP:
        """Call this host's SMTP port, in clear."""
        address = address or self.addresses[family]
        return caller.inside(lambda: smtplib.SMTP(address, port, caller.name, timeout=TIMEOUT))

    def sendmail(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Hand a message to this host's own mail server, as its programs do."""
        text = base64.b64encode(bytes(message)).decode()
        self.check_output("echo %s | base64 -d | sendmail -i -f %s %s", text, sender, recipient)


class Sender(Host):
    """A host that the collection set up, with people or without."""

    def said(self, token: str) -> str:
        """What Courier wrote to the journal of the deliveries to an address with a token."""
        return self.run("journalctl --no-pager --output=cat --unit=courier | grep -i %s", token).stdout

    def waiting(self, token: str) -> bool:
        """Whether a message for an address with a token is in the queue."""
        return token in self.check_output("mailq -batch")


class Site(Sender):
    """A host that the collection set up, with people."""

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        super().__init__(name, facts)
        self.facts = facts
        self.domain: str = facts["mail_domain"]
        names = [account["address"].partition("@")[0] for account in facts["mail_accounts"]]
        self.accounts = {who: Account(f"{who}@{self.domain}", PASSWORDS.get(who, PASSPHRASE)) for who in names}

    @functools.cached_property
    def trust(self) -> Trust:
        """Trust in what this host hands out as its certificate, and in nothing else."""
        return self.trusting(self.check_output("cat /etc/ssl/mail/mail.crt"), self.name)

    def trusting(self, certificates: str, name: str) -> Trust:
        """Trust in certificates, whoever signed them, and in a name of this host."""
        trust = Trust(ssl.PROTOCOL_TLS_CLIENT)
        trust.name = name
        trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        trust.load_verify_locations(cadata=certificates)
        return trust

    def smtp(
        self, caller: Host, port: int, family: str = "ipv4", *, tls: bool = True, address: str = ""
    ) -> smtplib.SMTP:
        """Call this host's SMTP port: 465 within TLS, any other with STARTTLS unless `tls` says no."""
        address = address or self.addresses[family]
        if port == 465:
            return caller.inside(
                lambda: smtplib.SMTP_SSL(address, port, caller.name, timeout=TIMEOUT, context=self.trust)
            )
        client = self.call(caller, port, family, address=address)
        if tls:
            client.starttls(context=self.trust)
        return client

    def imap(self, caller: Host, family: str = "ipv4") -> imaplib.IMAP4_SSL:
        """Call this host's IMAP port, 993."""
        address = self.addresses[family]
        return caller.inside(lambda: imaplib.IMAP4_SSL(address, ssl_context=self.trust, timeout=TIMEOUT))

    def inbox_bytes(self, account: Account, token: str, where: str = "SUBJECT") -> list[bytes]:
        """The messages with a token in an account's inbox, as IMAP on 993 has them. `where` is SUBJECT or TEXT."""
        with self.imap(self) as imap:
            imap.login(*account)
            imap.select(readonly=True)
            _rest, (numbers,) = imap.search(None, where, f'"{token}"')
            if not numbers:
                return []
            _rest, parts = imap.fetch(numbers.replace(b" ", b",").decode(), "(BODY.PEEK[])")
            return [part[1] for part in parts if isinstance(part, tuple)]

    def inbox(self, account: Account, token: str, where: str = "SUBJECT") -> list[EmailMessage]:
        """The same, read."""
        return [parse(message) for message in self.inbox_bytes(account, token, where)]

    def empty(self, who: str) -> None:
        """Leave nothing in somebody's inbox, nor in his Junk."""
        with self.imap(self) as imap:
            imap.login(*self.accounts[who])
            for folder in ("INBOX", "INBOX.Junk"):
                _ok, (messages,) = imap.select(folder)
                if int(messages or b"0"):
                    imap.store("1:*", "+FLAGS.SILENT", r"\Deleted")
                    imap.expunge()

    def age_proofs(self, table: str, columns: Sequence[str], seconds: int, direction: str) -> None:
        """Have what the watch knows of a direction be older than it is."""
        changes = ", ".join(f"{column} = {column} - {seconds}" for column in columns)
        program = (
            "import sqlite3; store = sqlite3.connect('/var/lib/courier-mail-watch/proofs.sqlite', 20); "
            f"store.execute('UPDATE {table} SET {changes} WHERE direction = ?', ['{direction}']); store.commit()"
        )
        self.check_output("runuser -u courier-mail-watch -- python3 -c %s", program)

    def account_files(self, directory: Path) -> str:
        """Give each account a file in a directory, from which an inventory may have them."""
        directory.mkdir()
        for account in json.loads(json.dumps(self.facts["mail_accounts"]).replace("{{ mail_domain }}", self.domain)):
            said = {key: value for key, value in account.items() if key != "address"}
            (directory / f"{account['address']}.yml").write_text(json.dumps(said))
        return str(directory)

    def learned(self) -> tuple[int, int]:
        """How many messages SpamAssassin has learned as spam, and as ham."""
        dump = self.run("sa-learn --dump magic").stdout  # nothing before the first
        spam, ham = (re.search(rf"(\d+) +\d+ +non-token data: {kind}$", dump, re.M) for kind in ("nspam", "nham"))
        return int(spam[1]) if spam else 0, int(ham[1]) if ham else 0


class Foreign(Host):
    """A mail server of another make, somewhere else."""

    def prefer(self, family: str) -> None:
        """Send over this address family from now on."""
        self.check_output("postconf -e smtp_address_preference=%s && postfix reload", family)

    def received(self, token: str) -> list[EmailMessage]:
        """The messages with a token that reached a mailbox here."""
        files = self.run("grep -rl %s /home/mailbox/Maildir/new", token).stdout.split()
        return [parse(self.run("cat %s", file).stdout_bytes) for file in files]


class Visit(NamedTuple):
    """What a server with a fault heard in one connection."""

    port: int
    caller: str  # the address
    tls: str | None  # the version
    said: list[str]
    trouble: str | None

    @property
    def logged_in(self) -> bool:
        return any(line.upper().startswith("AUTH") for line in self.said)


class Faults(Host):
    """A host whose servers each do one thing wrong."""

    def visits(self, token: str = "") -> list[Visit]:
        """The connections so far, or those in which a token was said."""
        records = map(json.loads, self.run("cat /var/log/faults").stdout.splitlines())
        # The last record of a connection has it all.
        visits = {record.pop("connection"): Visit(**record) for record in records}
        return [visit for visit in visits.values() if not token or any(token in line for line in visit.said)]


def parse(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.default)


@functools.cache
def inventory() -> dict[str, Any]:
    """The inventory that the scenario's hosts were set up from."""
    listing = subprocess.run(["ansible-inventory", "--list", *sources()], check=True, capture_output=True).stdout
    return json.loads(listing)


def with_people() -> list[str]:
    """The mail servers that are neither satellites nor smarthosts."""
    return inventory()["full"]["hosts"]


def facts(name: str) -> dict[str, Any]:
    return inventory()["_meta"]["hostvars"][name]


class Result(NamedTuple):
    """What a task of a run did on a host."""

    host: str
    task: str
    action: str
    outcome: str  # ok, changed, skipped, failed or unreachable
    seconds: float  # since the task began on the first host
    result: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.result.get("msg"))


class Results(list[Result]):
    """What all tasks of a run did on all hosts."""

    @property
    def failures(self) -> list[Result]:
        return [result for result in self if result.outcome in ("failed", "unreachable")]


@pytest.fixture(scope="session")
def play() -> Callable[..., Results]:
    """Run a playbook on the scenario's hosts: `play("courier.mail.site", "--check")`."""

    def play(playbook: str, *arguments: str) -> Results:
        return Results(Result(**result) for result in play_on_bed(*arguments, playbook).record)

    return play


@pytest.fixture
def task(play: Callable[..., Results], tmp_path: Path) -> Callable[..., Result]:
    """Run one task with a module of ours on a host: `task("mx1.example.com", "trace_info", id="1")`."""

    def task(host: str, module: str, **arguments: object) -> Result:
        tasks = [{"name": "Ask", f"courier.mail.{module}": arguments}]
        playbook = tmp_path / "task.yml"
        playbook.write_text(json.dumps([{"name": "Ask", "hosts": host, "gather_facts": False, "tasks": tasks}]))
        (result,) = play(str(playbook))
        return result

    return task


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a site is asked once on every mail server of the scenario that has people."""
    if "site" in metafunc.fixturenames:
        names = with_people()
        metafunc.parametrize("site", names, ids=[facts(name)["bed_image"] for name in names], indirect=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the mail server said when a test failed, but for what is asked again and again meanwhile."""
    report = (yield).get_result()
    site = getattr(item, "funcargs", {}).get("site")
    if report.failed and site:
        log = f"journalctl --no-pager --since=@{int(call.start)} -u 'courier*' | grep -v ' imapd' | tail -n 80"
        report.sections.append((f"journal of {site.name}", site.run(log).stdout))


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    return Site(request.param, facts(request.param))


@pytest.fixture
def no_timers(site: Site) -> Iterator[None]:
    """The deny list and learning, when a test says so and at no other time."""
    units = ("courier-mail-deny", "courier-mail-learn")
    timers = " ".join(f"{unit}.timer" for unit in units)
    site.check_output(f"systemctl stop {timers} {' '.join(f'{unit}.service' for unit in units)}")
    yield
    # Tests may be so short that systemd would find that these start too often.
    site.check_output(f"systemctl reset-failed {timers}; systemctl start {timers}")


@pytest.fixture(scope="session")
def sites() -> list[Site]:
    """All mail servers with people, for what takes too long to do one after the other."""
    return [Site(name, facts(name)) for name in with_people()]


@pytest.fixture
def foreign() -> Foreign:
    return Foreign("mx.example.net", facts("mx.example.net"))


@pytest.fixture(scope="session")
def host_named() -> Callable[[str], Host]:
    """Any host of the bed."""
    return lambda name: Host(name, facts(name))


@pytest.fixture(params=["sat1", "sat2"])
def satellite(request: pytest.FixtureRequest, site: Site) -> Sender:
    """A host that sends through the site: straight, or by IPv6 only and through the smarthost behind a provider."""
    name = f"{request.param}.{site.domain}"
    return Sender(name, facts(name))


@pytest.fixture
def smarthost(site: Site) -> Sender:
    name = f"out1.{site.domain}"
    return Sender(name, facts(name))


@pytest.fixture
def faults() -> Faults:
    return Faults("faults.example.net", facts("faults.example.net"))


@pytest.fixture(scope="session")
def nsupdate(host_named: Callable[[str], Host]) -> Callable[..., None]:
    """Change what the name server of the bed knows of a zone, by lines of nsupdate."""
    server = host_named("dns.example.net")

    def change(zone: str, *lines: str) -> None:
        said = "\n".join(["server 127.0.0.1", f"zone {zone}", *lines, "send"])
        server.check_output("echo %s | nsupdate", said)

    return change


@pytest.fixture
def stranger(host_named: Callable[[str], Host]) -> Host:
    return host_named("stranger.example.net")


@pytest.fixture
def partner(host_named: Callable[[str], Host]) -> Host:
    return host_named("relay.example.net")


@pytest.fixture(params=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> str:
    return request.param


class Page(NamedTuple):
    """What a web server said."""

    status: int
    headers: Message
    text: bytes


@pytest.fixture
def web(site: Site, stranger: Host) -> Callable[..., Page]:
    """Ask the web server of a host from elsewhere: `web("autoconfig.example.com", "/mail/config-v1.1.xml")`.

    Trusted are the authorities of the bed, and the name. `trust` is another context; `tls=False` is port 80.
    """
    authorities = site.check_output("cat /usr/local/share/ca-certificates/*.crt")

    def web(
        name: str,
        path: str = "/",
        method: str = "GET",
        body: bytes = b"",
        *,
        family: str = "ipv4",
        tls: bool = True,
        trust: ssl.SSLContext | None = None,
    ) -> Page:
        connection = stranger.connect(site.addresses[family], 443 if tls else 80)
        if tls:
            context = trust or ssl.create_default_context(cadata=authorities)
            connection = context.wrap_socket(connection, server_hostname=name)
        with connection:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            return Page(answer.status, answer.headers, answer.read())

    return web


@pytest.fixture(scope="session")
def log_in() -> Callable[..., int]:
    """Log in by one method: `log_in(smtp, account, "CRAM-MD5")`. Returns the code; smtplib raises a refusal."""

    def log_in(smtp: smtplib.SMTP, account: Account, method: str) -> int:
        smtp.ehlo()
        smtp.user, smtp.password = account

        def answer(challenge: bytes) -> str:
            digest = hmac.new(account.password.encode(), challenge, method.removeprefix("CRAM-").lower())
            return f"{account.address} {digest.hexdigest()}"

        ways = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login}
        return smtp.auth(method, ways.get(method, answer), initial_response_ok=method in ways)[0]

    return log_in


@pytest.fixture
def token() -> str:
    """What a message of this test, and no other, carries."""
    # As short as those of the programs: SpamAssassin takes a long one for an address of Bitcoin, once in a while.
    return secrets.token_hex(12)


@pytest.fixture(scope="session")
def parsed() -> Callable[[bytes], EmailMessage]:
    """A message that came as bytes."""
    return parse


@pytest.fixture
def letter(token: str) -> EmailMessage:
    """A message with the token in its subject, that says neither who sends it nor who gets it."""
    letter = EmailMessage()
    letter["Subject"] = f"About {token}"
    letter["Date"] = email.utils.localtime()
    letter["Message-ID"] = f"<{token}@example.net>"
    letter.set_content("Dear friend,\n\nall is well.\n")
    return letter


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask until the answer is yes: `assert eventually(lambda: site.inbox(alice, token))`."""

    def ask(question: Callable[[], Answer], within: float = 60) -> Answer:
        deadline = time.monotonic() + within
        while not (answer := question()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return answer

    return ask
