"""The files of fail2ban."""

from __future__ import annotations

import pytest

from plugins.module_utils._fail2ban import BanError
from plugins.modules import fail2ban

PARAMS = {
    "default": {"bantime": "1h"},
    "jails": {"sshd": {"enabled": True}},
    "ignored": ["192.0.2.0/24"],
    "remembered": "8w",
    "accounts": ["Bob@example.com", "alice@example.com", "bob@example.com"],
    "directory": "/etc/fail2ban",
}


def test_three_files_of_which_one_is_private():
    files = {file.path.removeprefix("/etc/fail2ban/"): file for file in fail2ban.plan(PARAMS).files}
    assert set(files) == {"jail.d/courier-mail.local", "fail2ban.d/courier-mail.local", "courier-mail-accounts"}
    assert files["courier-mail-accounts"].text == "alice@example.com\nbob@example.com\n"
    assert files["courier-mail-accounts"].mode == 0o600
    assert "dbpurgeage = 4838400\n" in (files["fail2ban.d/courier-mail.local"].text or "")
    assert "ignoreip = 127.0.0.0/8 ::1 192.0.2.0/24\n" in (files["jail.d/courier-mail.local"].text or "")


class Module:
    """A host whose fail2ban says what it is told to."""

    def __init__(self, directory, code, said):
        self.params, self.code, self.said = {"directory": str(directory)}, code, said

    def get_bin_path(self, _name):
        return "/usr/bin/fail2ban-client"

    def run_command(self, command):
        self.command = command
        return self.code, "", self.said.replace("COPY", command[2])


def test_what_fail2ban_refuses_is_said_in_its_words(tmp_path):
    for name in ("jail.d", "fail2ban.d"):
        (tmp_path / name).mkdir()
    files = fail2ban.plan(PARAMS | {"directory": str(tmp_path)})
    said = "".join(
        f"2026-11-26 04:00:00,000 fail2ban [1]: {line}\n"
        for line in (
            "ERROR   Found no accessible config files for 'filter.d/none' under COPY",
            "WARNING 'allowipv6' not defined in 'Definition'. Using default one: 'auto'",
            "ERROR   Errors in jail 'shop'.",
            "ERROR   ERROR: test configuration failed",
        )
    )
    sentence = (
        f"its settings: Found no accessible config files for 'filter.d/none' under {tmp_path}; Errors in jail 'shop'"
    )
    with pytest.raises(BanError, match=f"{sentence}[.]$"):
        fail2ban.check(Module(tmp_path, 255, said), files)
    fail2ban.check(Module(tmp_path, 0, ""), files)
    assert not (tmp_path / "jail.d/courier-mail.local").exists()
