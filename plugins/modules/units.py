# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Run what is open, stop what is not, restart what is older than its files, and prove that it answers
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - All systemd units of a role in one call, and at most one restart.
  - A unit is restarted if a file that it reads was modified after the unit's start. Nothing has to be notified, and a
    run that died between writing and restarting is healed by the next.
  - systemd counts a start of Courier as good even if the daemon dies a moment later, and Courier starts with settings
    with which it cannot serve. So each run ends with a proof, also if nothing changed. The module talks to the
    daemons as a client would, and fails if one does not answer in time.
  - Units that were changed on disk are read anew (C(systemctl daemon-reload)) and restarted.
  - systemd restarts some units with others. All of Courier follows C(courier-authdaemon), most of it C(courier-mta).
    Its limit of five starts in ten seconds is therefore reset, for them as well, before anything is started.
options:
  units:
    description: The units. The order has no meaning.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The unit, such as V(courier-mta); without a suffix it is a service.
        type: str
        required: true
      running:
        description:
          - Whether the unit is started and enabled, or stopped and disabled.
          - A unit that is not to run need not be installed.
        type: bool
        required: true
      reads:
        description:
          - Files that the unit reads at its start only. A directory counts with the files in it, and its own time tells
            that one was removed. What does not exist does not count. The unit's own file and drop-ins always count.
          - Of a timer, a path or a socket, the file of the service that it starts, which systemd would not read anew
            otherwise.
        type: list
        elements: path
        default: []
      answers:
        description: How to prove that the unit answers while it runs.
        type: list
        elements: dict
        default: []
        suboptions:
          protocol:
            description:
              - What is spoken there. V(authdaemon) is asked for an account that no host has, V(clamd) and V(spamd)
                whether they are there, V(courierfilter) for its verdict on messages, V(srs) for a sender that it must
                know again, and one that is forged, V(zdkimfilter) for a signature, V(fail2ban) for bans that reach
                the firewall and are taken back, V(tarbaby) to take a message, which it must not, V(dnsbl), a name
                server, for the test points of a list, and V(http), a web server, for anything.
            type: str
            choices:
              - smtp
              - imap
              - pop3
              - tarbaby
              - http
              - authdaemon
              - clamd
              - spamd
              - courierfilter
              - srs
              - zdkimfilter
              - fail2ban
              - dnsbl
            required: true
          address:
            description: The address, IPv4 or IPv6.
            type: str
            default: 127.0.0.1
          port:
            description: The port; needed by V(smtp), V(imap), V(pop3), V(tarbaby), V(http) and V(dnsbl).
            type: int
          tls:
            description:
              - V(starttls) is a handshake after STARTTLS (STLS in POP3), V(implicit) one at once, V(none) none.
            type: str
            choices: [none, starttls, implicit]
            default: none
          certificate:
            description:
              - A PEM file on the host. Its first certificate is the one that the handshake must bring, byte by byte;
                who signed it is not asked.
            type: path
          socket:
            description:
              - Where those listen that have a path, if not on V(/run/courier/authdaemon/socket),
                V(/run/clamav/clamd.ctl), V(/run/spamd/spamd.sock), V(/var/lib/courier/allfilters/pythonfilter),
                V(/run/courier-forward/socket), V(/var/lib/courier/allfilters/000-zdkimfilter) and
                V(/run/fail2ban/fail2ban.sock).
            type: path
          recognises:
            description:
              - Whether a scanner must recognise the test pattern of its trade, which is EICAR for V(clamd) and
                GTUBE for V(spamd). clamd knows it from the official signatures.
            type: bool
            default: false
          refuses:
            description:
              - What a filter must refuse, beside letting a harmless message in. V(virus) is EICAR, V(program) an
                attachment that is called C(probe.exe), V(spam) is GTUBE. They come from a stranger.
            type: list
            elements: str
            choices: [virus, program, spam]
            default: []
          signs:
            description: Whether a filter must sign what a program of this host sends (DKIM).
            type: bool
            default: false
          defers:
            description:
              - Whether a filter may put off each of these messages for now, since a scanner that it asks has no
                signatures yet, or since strangers are to come again. What must be refused must still not be let in.
            type: bool
            default: false
          domain:
            description:
              - The domain whose mail V(zdkimfilter) must sign when somebody of it has logged in; needed by it. The
                signature must verify with the record that is beside the key, and where DNS publishes that,
                zdkimfilter must verify it too, and refute it when the text has changed.
              - The zone of V(dnsbl).
              - The name by which V(http) is called within TLS.
            type: str
          jails:
            description: Jails that V(fail2ban) must have.
            type: list
            elements: str
            default: []
          account:
            description: An account that V(authdaemon) must know, beside not knowing the one that no host has.
            type: str
  timeout:
    description:
      - Seconds after which what does not answer has failed, for the proof as a whole.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: Proves nothing. A unit that is not installed yet would be started and enabled.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Run the SMTP listeners
  courier.mail.units:
    units:
      - name: courier
        running: true
        reads: [/etc/courier/courierd, /etc/courier/me]
      - name: courier-mta
        running: true
        reads: [/etc/courier/esmtpd]
        answers:
          - {protocol: smtp, port: 25, tls: starttls, certificate: /etc/courier/mail.pem}
      - name: courier-mta-ssl
        running: true
        reads: [/etc/courier/esmtpd, /etc/courier/esmtpd-ssl]
        answers:
          - {protocol: smtp, port: 465, tls: implicit, certificate: /etc/courier/mail.pem}
      - name: courier-msa
        running: false
"""

RETURN = r"""
started:
  description: The units that were not active.
  returned: success
  type: list
  elements: str
  sample: []
restarted:
  description: The units that were older than their files. systemd may have restarted others together with them.
  returned: success
  type: list
  elements: str
  sample: [courier-mta]
stopped:
  description: The units that were active and shall not be.
  returned: success
  type: list
  elements: str
  sample: []
enabled:
  description: The units that did not start at boot.
  returned: success
  type: list
  elements: str
  sample: []
disabled:
  description: The units that started at boot and shall not.
  returned: success
  type: list
  elements: str
  sample: []
proved:
  description: What answered.
  returned: success
  type: list
  elements: str
  sample: [smtp 127.0.0.1:25 STARTTLS TLSv1.3, smtp 127.0.0.1:465 TLSv1.3]
journal:
  description: The last lines that the units in question wrote to the journal, without what clients sent with AUTH.
  returned: when a unit does not run or does not answer
  type: list
  elements: str
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import read
from ..module_utils._pem import PemError, leaf
from ..module_utils._probe import PORT_REQUIRED, SPEC, Endpoint, NoAnswer, probe
from ..module_utils._units import PROPERTIES, Plan, State, Unit, parse, plan, without_passwords

# Seconds. systemd calls Courier started when its first process is there; it dies of a bad setting some 10 ms later.
SETTLE = 1.0
PAUSES = (0.25, 0.5, 1.0, 2.0)  # between attempts, and then the last: each attempt leaves its traces in the journal
JOURNAL_LINES = 20

UNIT = {
    "name": {"type": "str", "required": True},
    "running": {"type": "bool", "required": True},
    "reads": {"type": "list", "elements": "path", "default": []},
    "answers": {
        "type": "list",
        "elements": "dict",
        "options": SPEC,
        "required_if": PORT_REQUIRED,
        "default": [],
    },
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "options": UNIT, "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params["units"]
    units = [Unit(unit["name"], unit["running"], unit["reads"]) for unit in wanted]
    states = _show(module, units)
    steps = plan(units, states, time.time_ns() - time.monotonic_ns())
    result = {"changed": any(steps), **steps._asdict()}
    if module.check_mode:
        module.exit_json(**result, proved=[])

    for unit, state in zip(units, states, strict=True):
        if unit.running and not state.installed:
            module.fail_json(msg=f"there is no unit {unit.name} on this host; install what brings it first")
    try:
        # Before anything is restarted: without its certificate nothing can be proved.
        endpoints = [
            (unit["name"], _endpoint(answer)) for unit in wanted if unit["running"] for answer in unit["answers"]
        ]
    except PemError as error:
        module.fail_json(msg=str(error))
    if any(steps):
        _carry_out(module, units, states, steps)
    module.exit_json(**result, proved=_prove(module, endpoints))


def _show(module: AnsibleModule, units: Sequence[Unit]) -> list[State]:
    names = [unit.name for unit in units]
    return parse(_systemctl(module, "show", f"--property={','.join(PROPERTIES)}", "--", *names)) if names else []


def _systemctl(module: AnsibleModule, *arguments: str) -> str:
    code, stdout, stderr = module.run_command(["systemctl", *arguments])
    if code != 0:
        said = (stderr.strip() or f"ended with {code}").splitlines()[-1]
        module.fail_json(msg=f"systemctl {' '.join(arguments)}: {said}")
    return str(stdout)


def _carry_out(module: AnsibleModule, units: Sequence[Unit], states: Sequence[State], steps: Plan) -> None:
    # What a timer or a socket starts is not looked at, and is among what it reads where it may have changed.
    if any(state.changed for state in states) or any("." in name for name in steps.restarted):
        _systemctl(module, "daemon-reload")
    for verb, names in (("disable", steps.disabled), ("stop", steps.stopped), ("enable", steps.enabled)):
        if names:
            _systemctl(module, verb, "--", *names)
    running = [unit.name for unit in units if unit.running]
    if not running:
        return
    # Neither of the next two is trusted, and the third look decides. reset-failed fails for units that are not loaded,
    # and a restart that fails is tried once more: on Debian 12 the PID file of courier-mta sometimes comes too late.
    together = {name for unit, state in zip(units, states, strict=True) for name in (unit.name, *state.followers)}
    module.run_command(["systemctl", "reset-failed", "--", *sorted(together)])
    if steps.restarted:
        module.run_command(["systemctl", "restart", "--", *steps.restarted])
    # All of them, and not just those that were not active: stopping or restarting one may have taken others along.
    module.run_command(["systemctl", "start", "--", *running])
    time.sleep(SETTLE)
    down = {
        unit.name: state.active
        for unit, state in zip(units, _show(module, units), strict=True)
        if unit.running and state.active != "active"
    }
    if down:
        listed = ", ".join(f"{name} ({active})" for name, active in down.items())
        _fail(module, f"systemd was asked to start them, and they do not run: {listed}", down)


def _endpoint(answer: dict[str, Any]) -> Endpoint:
    path = answer["certificate"]
    certificate = leaf(read(path) or "", path) if path else None
    return Endpoint(**answer | {"certificate": certificate})


def _prove(module: AnsibleModule, endpoints: Iterable[tuple[str, Endpoint]]) -> list[str]:
    deadline = time.monotonic() + module.params["timeout"]
    proved = []
    for name, endpoint in endpoints:
        for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
            try:
                proved.append(probe(endpoint))
                break
            except NoAnswer as came:
                if time.monotonic() + pause > deadline:
                    _fail(module, f"{name} does not prove itself on {endpoint}: {came}", [name])
                time.sleep(pause)
    return proved


def _fail(module: AnsibleModule, sentence: str, names: Iterable[str]) -> None:
    units = [argument for name in names for argument in ("-u", name)]
    command = ["journalctl", "--no-pager", "-o", "cat", "-n", str(JOURNAL_LINES), *units]
    journal = module.run_command(command)[1]
    module.fail_json(msg=sentence, journal=without_passwords(journal).splitlines())


if __name__ == "__main__":
    main()
