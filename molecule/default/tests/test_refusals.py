# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input gets one clear error and changes nothing.

All cases are hosts of one run: each is the Debian 13 host of the site under another name, with one thing wrong.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import NamedTuple

import pytest

HASH = "$6$courier.mail$" + 86 * "x"


class Answer(NamedTuple):
    said: str
    changed: int  # tasks
    failed: int


REFUSED = {
    "account-in-a-foreign-domain": (
        {"mail_accounts": [{"address": "zoe@example.net", "password_hash": HASH}]},
        "zoe@example.net",
    ),
    "address-twice": (
        {"mail_accounts": [{"address": f"{name}@example.com", "password_hash": HASH} for name in ("zoe", "Zoe")]},
        "zoe@example.com",
    ),
    "password-in-clear-text": (
        {"mail_accounts": [{"address": "zoe@example.com", "password_hash": "hunter2"}]},
        "openssl passwd -6",
    ),
    "hash-of-an-unknown-kind": (
        {"mail_accounts": [{"address": "zoe@example.com", "password_hash": "$1$salt$qJH7.N4xYta3aEG/dfqo/0"}]},
        "zoe@example.com",
    ),
    "domain-both-local-and-hosted": (
        {"courier_mta_local_domains": ["localhost", "mx1.example.com", "example.com"]},
        "example.com is in both",
    ),
    "route-that-never-matches": (
        {"courier_mta_routes": [{"relay": "a.example.net"}, {"domain": "example.org", "relay": "b.example.net"}]},
        "example.org",
    ),
    "security-none": (
        {"courier_mta_routes": [{"domain": "example.org", "relay": "a.example.net", "security": "none"}]},
        "0.71",
    ),
    "login-without-tls": (
        {"courier_mta_routes": [{"relay": "a.example.net", "user": "us", "password": "secret"}]},
        "required",
    ),
    "port-out-of-range": (
        {"courier_mta_routes": [{"relay": "a.example.net", "port": 70000}]},
        "70000",
    ),
    "alias-loop": (
        {
            "mail_aliases": [
                {"name": "a@example.com", "targets": ["b@example.com"]},
                {"name": "b@example.com", "targets": ["a@example.com"]},
            ]
        },
        "a@example.com",
    ),
    "alias-to-nobody": (
        {"mail_aliases": [{"name": "a@example.com", "targets": ["nobody-here@example.com"]}]},
        "nobody-here@example.com",
    ),
    "unknown-key-of-esmtpd": ({"courier_mta_esmtpd": {"TARPIT": "0", "MAXDEMONS": "80"}}, "MAXDAEMONS"),
    "size-with-a-unit": ({"courier_mta_files": {"sizelimit": "25M"}}, "26214400"),
    "time-that-is-none": ({"courier_mta_files": {"queuetime": "abc"}}, "queuetime"),
    "key-of-another-certificate": (
        {"certificates_source": "own", "certificates_key": "not a key", "certificates_chain": "not a chain"},
        "key",
    ),
    "short-hostname": ({"mail_hostname": "mx1"}, "mx1.example.com"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What one run said to each case."""
    names = {case: {"mail_hostname": "mx1.example.com", **REFUSED[case][0]} for case in REFUSED}
    for facts in names.values():
        facts["ansible_host"] = "courier-test-mx1.example.com"
    inventory = tmp_path_factory.mktemp("refused") / "hosts.json"
    inventory.write_text(json.dumps({"refused": {"hosts": names}, "mail_servers": {"children": {"refused": {}}}}))
    sources = [*os.environ["BED_INVENTORY"].split(":"), str(inventory)]
    run = subprocess.run(
        [
            "ansible-playbook",
            *(f"--inventory={source}" for source in sources),
            "--limit=refused",
            "playbooks/site.yml",
        ],
        env=os.environ
        | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_PIPELINING": "true", "ANSIBLE_FORCE_COLOR": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.findall(r"^(?:fatal|failed): \[(\S+)\].* => (.*)$", run.stdout, re.MULTILINE)
    recap = re.findall(r"^(\S+) +: .*changed=(\d+) .*failed=(\d+)", run.stdout, re.MULTILINE)
    return {
        case: Answer("\n".join(text for host, text in said if host == case), int(changed), int(failed))
        for case, changed, failed in recap
    }


@pytest.mark.parametrize("case", REFUSED)
def test_one_clear_error_and_nothing_changed(answers, case):
    assert REFUSED[case][1] in answers[case].said
    assert (answers[case].failed, answers[case].changed) == (1, 0)


def test_no_refusal_repeats_a_secret(answers):
    assert not [case for case, answer in answers.items() if "hunter2" in answer.said]
