"""Measure the collection on two hosts of its own bed, and print the figures as the table of docs/figures.md.

Each figure is compared with something measured in the same run, because machines differ and so do their days.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import docker

from tests.bench import filters, flood, report, trace
from tests.bench.bed import Figure, inside, play
from tests.bench.delivery import MESSAGE, Server, messages_per_second

ON_THE_CONTROLLER = {
    "ansible.builtin.assert",
    "ansible.builtin.debug",
    "ansible.builtin.include_tasks",
    "ansible.builtin.validate_argument_spec",
    "courier.mail.validate",
}
MESSAGES = 2000
ESMTPTLS = "/usr/local/lib/courier-esmtptls"
OURS = Server(
    "courier-bench-mail.example.com",
    {f"{who}@example.com": f"/srv/vmail/example.com/{who}/Maildir" for who in ("alice", "bob")},
)
THEIRS = Server(
    "courier-bench-peer.example.net",
    {f"{who}@bench.example.net": f"/srv/vmail/{who}/Maildir" for who in ("alice", "bob")},
)


def packages(host: str) -> set[str]:
    """The packages that somebody asked for."""
    return set(inside(host, "apt-mark", "showmanual").split())


def know_the_same_mirrors() -> None:
    """Debian 12's for Horde among them."""
    containers = docker.from_env().containers
    stream, _stat = containers.get("courier-bench-mail.example.com").get_archive("/etc/apt")
    containers.get("courier-bench-bare.example.net").put_archive("/etc", b"".join(stream))


def first_converge() -> Figure:
    before = packages("mail.example.com")
    converge = play("playbooks/site.yml", "--limit=mail_servers").seconds
    wanted = sorted(packages("mail.example.com") - before)
    know_the_same_mirrors()
    start = time.monotonic()
    inside("bare.example.net", "sh", "-c", f"apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install "
           f"--no-install-recommends {' '.join(wanted)}")  # fmt: skip
    alone = time.monotonic() - start
    return Figure(
        "first converge of the demo host", f"{converge:.1f} s", f"apt-get alone {alone:.1f} s",
        f"{converge / alone:.2f}", "≤ 1.5",
    )  # fmt: skip


def no_change() -> Figure:
    run = play("playbooks/site.yml", "--limit=mail_servers")
    changed = [result["task"] for result in run.results if result["outcome"] == "changed"]
    if changed:
        sys.exit(f"a run over a host that was just set up changed something: {', '.join(changed)}")
    touching = [r for r in run.results if r["outcome"] == "ok" and r["action"] not in ON_THE_CONTROLLER]
    return Figure(
        "run without a change", f"{run.seconds:.1f} s", f"{len(touching)} tasks touch the host",
        f"{run.seconds / len(touching):.2f} s a task", "≤ 20 s, ≤ 40 tasks",
    )  # fmt: skip


class Call(NamedTuple):
    seconds: float  # of the module's process on the host, from the first line of Python to the last
    mebibytes: float  # resident at its peak
    task: float  # seconds of the task, with what Ansible does to bring the arguments there


def call(module: str, arguments: dict) -> Call:
    """One task with one module."""
    with tempfile.TemporaryDirectory() as directory:
        playbook = Path(directory, "call.yml")
        task = {"name": "Measure", f"courier.mail.{module}": arguments}
        facts = {"ansible_python_interpreter": "/usr/local/bin/measured"}
        hosts = {"name": "Measure", "hosts": "mail.example.com", "gather_facts": False, "vars": facts}
        playbook.write_text(json.dumps([hosts | {"tasks": [task]}]))
        (result,) = play(str(playbook)).results
    seconds, kibibytes = inside("mail.example.com", "cat", "/tmp/measured").split()
    return Call(float(seconds), int(kibibytes) / 1024, result["seconds"])


def have_measured_python() -> None:
    """A Python on the host that notes seconds and the largest resident set, in KiB, of what it ran."""
    script = """#!/usr/bin/python3
import pathlib, resource, subprocess, sys, time
program = sys.stdin.buffer.read()  # the module with its arguments, which takes a while to arrive
start = time.monotonic()
code = subprocess.run(["/usr/bin/python3", *sys.argv[1:]], input=program).returncode
seconds = time.monotonic() - start
pathlib.Path("/tmp/measured").write_text(f"{seconds} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
sys.exit(code)
"""
    path = "/usr/local/bin/measured"
    subprocess.run(
        ["docker", "exec", "-i", "courier-bench-mail.example.com", "sh", "-c", f"cat >{path}; chmod 755 {path}"],
        input=script, text=True, check=True,
    )  # fmt: skip


def scaled(what: str, module: str, arguments: dict, one: str, count: int, aim: str) -> list[Figure]:
    """A module with a tenth of its list, with all of it, and with all of it when there is nothing to do."""
    entries = arguments.pop(one)
    tenth = call(module, arguments | {one: entries[: count // 10]})
    whole = call(module, arguments | {one: entries})
    again = call(module, arguments | {one: entries})
    return [
        Figure(
            f"{what}, {count:,}", _said(whole),
            f"a tenth of them {tenth.seconds:.1f} s", f"{whole.seconds / tenth.seconds:.1f}", aim,
        ),
        Figure(
            f"{what}, {count:,}, nothing to do", _said(again),
            f"all to do {whole.seconds:.1f} s", f"{again.seconds / whole.seconds:.2f}", aim,
        ),
    ]  # fmt: skip


def _said(call: Call) -> str:
    return f"{call.seconds:.1f} s, {call.mebibytes:.0f} MiB; as a task {call.task:.1f} s"


def accounts() -> list[Figure]:
    hash_of_nothing = "$6$courier.mail$" + "x" * 86
    entries = [{"address": f"user{n}@example.com", "password_hash": hash_of_nothing} for n in range(10_000)]
    arguments = {
        "accounts": entries, "domains": ["example.com"], "mail_root": "/srv/bench", "uid": 5000, "gid": 5000,
        "directory": "/srv/bench",
    }  # fmt: skip
    inside("mail.example.com", "install", "-d", "-o", "vmail", "-g", "vmail", "/srv/bench")
    return scaled("module userdb, accounts", "userdb", arguments, "accounts", 10_000, "≤ 10 s")


def routes() -> list[Figure]:
    entries = [{"domain": f"d{n}.example.net", "relay": f"relay{n % 100}.example.org"} for n in range(100_000)]
    inside("mail.example.com", "install", "-d", "/srv/bench-routes")
    arguments = {"routes": entries, "directory": "/srv/bench-routes"}
    return scaled("module esmtproutes, routes", "esmtproutes", arguments, "routes", 100_000, "≤ 5 s, linear")


def delivery(what: str) -> Figure:
    # In turn, so that what else the machine does hits both.
    messages = [MESSAGE] * MESSAGES
    speeds = [(messages_per_second(OURS, messages), messages_per_second(THEIRS, messages)) for _round in range(3)]
    courier, postfix = (sorted(column)[1] for column in zip(*speeds, strict=True))
    return Figure(
        what, f"{courier:.0f}/s", f"Postfix + Dovecot {postfix:.0f}/s",
        f"{courier / postfix:.2f}", "≥ 0.76 (190 of 250)",
    )  # fmt: skip


def handshakes() -> Figure:
    """With a relay, whose route is looked up first, and without. The host itself is the relay."""
    host, port, trust = "mail.example.com", "465", "/tmp/trust.pem"
    inside(host, "sh", "-c", f"cat /etc/ssl/certs/ca-certificates.crt /etc/ssl/mail/mail.crt >{trust}")
    inside(host, "sh", "-c", f"echo '{host},{port} verified NORMAL' >>/etc/courier/esmtptls")
    script = Path("tests/bench/handshake.py").read_text()
    environment = ["env", f"TLS_TRUSTCERTS={trust}", "TLS_PRIORITY=NORMAL"]
    call = [*environment, "python3", "-c", script]
    # In turn, so that what else the machine does hits both.
    seconds = [
        [float(inside(host, *call, program, host, port, "20")) for program in (ESMTPTLS, "/usr/bin/couriertls")]
        for _round in range(3)
    ]
    with_route, alone = (sorted(column)[1] * 1000 for column in zip(*seconds, strict=True))
    return Figure(
        "handshake with a relay, its route looked up", f"{with_route:.1f} ms", f"couriertls alone {alone:.1f} ms",
        f"{with_route / alone:.2f}", "",
    )  # fmt: skip


def people_in_a_flood() -> list[Figure]:
    # People send more within the minute than one of them may in an hour.
    site({"mail_filter_settings": {"rate": {"messages": 0, "recipients": 0}}})
    passwords = {
        address: Path(".cache/demo", address.partition("@")[0]).read_text().strip() for address in OURS.mailboxes
    }
    return flood.figures(OURS, THEIRS.container, passwords)


def site(variables: dict) -> None:
    play("playbooks/site.yml", "--limit=mail_servers", f"--extra-vars={json.dumps(variables)}")


def main() -> int:
    for step in ("destroy", "create", "prepare"):
        play(f"molecule/shared/{step}.yml")
    try:
        figures = [first_converge(), no_change()]
        figures.append(handshakes())
        have_measured_python()
        figures += [*accounts(), *routes()]
        play("tests/bench/peer.yml")
        site({"pythonfilter_modules": []})
        figures.append(delivery("messages into mailboxes, not filtered"))
        # Nor does it wait before it refuses something.
        site({"pythonfilter_modules": [], "courier_mta_esmtpd": {"BOFHCHECKDNS": "0", "TARPIT": "0"}})
        figures.append(delivery("the same, senders' domains not looked up (as in the other)"))
        figures += filters.figures(OURS, THEIRS)
        figures += people_in_a_flood()
        figures += trace.figures("mail.example.com")
        figures += report.figures("mail.example.com")
    finally:
        play("molecule/shared/destroy.yml")
    print(f"| {' | '.join(Figure._fields)} |\n| {' | '.join(['---'] * len(Figure._fields))} |")
    for figure in figures:
        print(f"| {' | '.join(figure)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
