"""Where Ansible comes from, as SSH tells the user who logged in; tasks/controller.yml of the role mailhost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

TASKS = Path(__file__).parents[3] / "roles/mailhost/tasks/controller.yml"
# The client's address and port, and the server's, as sshd writes them.
CONNECTIONS = {
    "IPv4": ("192.0.2.7 50022 192.0.2.25 22", ["192.0.2.7"]),
    "IPv6": ("2001:db8::7 50022 2001:db8::25 22", ["2001:db8::7"]),
    "IPv6 of the link": ("fe80::1ff:fe23:4567%eth0 50022 fe80::25%eth0 22", ["fe80::1ff:fe23:4567"]),
    "no SSH": (None, None),
}


@pytest.mark.parametrize(("connection", "wanted"), CONNECTIONS.values(), ids=CONNECTIONS)
def test_the_address_is_what_ssh_says(connection, wanted):
    loader = DataLoader()
    ask, know = loader.load_from_file(str(TASKS), trusted_as_template=True)
    environment = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    if connection:
        environment["SSH_CONNECTION"] = connection
    command = ask["ansible.builtin.command"]["cmd"].split()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    registered = {"rc": done.returncode, "stdout": done.stdout.rstrip("\n")}
    templar = Templar(loader=loader, variables={ask["register"]: registered})
    assert templar.evaluate_conditional(ask["failed_when"]) is False
    assert templar.evaluate_conditional(know["when"]) is (wanted is not None)
    if wanted:
        facts = templar.template(know["ansible.builtin.set_fact"])
        assert facts == {"mail_controller_addresses": wanted}


def test_whoever_says_it_is_not_asked():
    loader = DataLoader()
    ask, _know = loader.load_from_file(str(TASKS), trusted_as_template=True)
    for said, wanted in (([], True), (["192.0.2.7"], False)):
        templar = Templar(loader=loader, variables={"mailhost_controllers": said})
        assert templar.evaluate_conditional(ask["when"]) is wanted
