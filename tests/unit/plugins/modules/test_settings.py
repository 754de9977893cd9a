from __future__ import annotations

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.module_utils._courier.tls import priority
from plugins.modules import settings
from tests.unit.run_module import run_module

ESMTPD = (
    "##NAME: MAXDAEMONS:0\n\nMAXDAEMONS=40\n\n##NAME: TLS_PRIORITY:0\n# TLS_PRIORITY=\n\n##NAME: PORT:1\n\nPORT=smtp\n"
)
MSA = "##NAME: PORT:1\n\nPORT=587\n"
HINT = "write a priority string that `gnutls-cli --list --priority` of the host shows cipher suites for"

REFUSED = {
    "a file of another kind": (
        {"esmtp": {"PORT": 25}},
        "esmtp is not a file that Courier sources; write esmtpd",
    ),
    "no settings": ({"esmtpd": "MAXDAEMONS=80"}, "esmtpd: write a dictionary of settings, such as {MAXDAEMONS: 80}"),
    "a setting of no file": (
        {"esmtpd": {"MAXDAEMONS": 80}, "esmtpd-msa": {"PROT": 587}},
        "esmtpd-msa: PROT is not a setting that Courier reads here; did you mean PORT?",
    ),
    "a package that is not there": (
        {"esmtpd": {"MAXDAEMONS": 80}, "imapd": {"PORT": 143}},
        "imapd: DIRECTORY/imapd is not there; install the package that brings it first",
    ),
    "a priority that GnuTLS does not know": (
        {"esmtpd": {"MAXDAEMONS": 80}, "esmtpd-msa": {"TLS_PRIORITY": "MODREN"}},
        f"esmtpd-msa: TLS_PRIORITY: GnuTLS refuses 'MODREN': Syntax error at: MODREN; {HINT}",
    ),
    "a priority that leaves nothing to offer": (
        {"esmtpd": {"TLS_PRIORITY": "NORMAL:-KX-ALL:-VERS-ALL:+VERS-TLS1.2"}},
        "esmtpd: TLS_PRIORITY: GnuTLS has no cipher suite for 'NORMAL:-KX-ALL:-VERS-ALL:+VERS-TLS1.2'; " + HINT,
    ),
}


@pytest.fixture
def directory(tmp_path):
    etc = tmp_path / "courier"
    etc.mkdir()
    (etc / "esmtpd").write_text(ESMTPD)
    (etc / "esmtpd-msa").write_text(MSA)
    (etc / "esmtpd").chmod(0o600)
    return etc


def run(directory, *, check=False, **files):
    return run_module(settings, check=check, directory=str(directory), files=files)


def test_sets_keys_in_every_file(directory):
    answer = run(directory, **{"esmtpd": {"MAXDAEMONS": 80}, "esmtpd-msa": {"PORT": 587, "TLS_PRIORITY": "NORMAL"}})
    assert answer["changed"]
    assert answer["files"] == [f"{directory}/esmtpd", f"{directory}/esmtpd-msa"]
    assert answer["changed_keys"] == {"esmtpd": ["MAXDAEMONS"], "esmtpd-msa": ["TLS_PRIORITY"]}
    assert (directory / "esmtpd").read_text() == ESMTPD.replace("MAXDAEMONS=40", 'MAXDAEMONS="80"')
    assert (directory / "esmtpd-msa").read_text() == MSA + 'TLS_PRIORITY="NORMAL"\n'


def test_keeps_owner_and_mode(directory):
    run(directory, esmtpd={"MAXDAEMONS": 80})
    assert (directory / "esmtpd").stat().st_mode & 0o777 == 0o600


def test_keeps_bytes_of_another_encoding(directory):
    (directory / "esmtpd").write_bytes(b"# caf\xe9\n" + ESMTPD.encode())
    run(directory, esmtpd={"PORT": 25})
    assert (directory / "esmtpd").read_bytes().startswith(b"# caf\xe9\n")


def test_changes_nothing_the_second_time(directory):
    run(directory, esmtpd={"MAXDAEMONS": 80, "TLS_PRIORITY": ""})
    answer = run(directory, esmtpd={"MAXDAEMONS": 80, "TLS_PRIORITY": ""})
    assert not answer["changed"]
    assert answer["changed_keys"] == {}


def test_check_mode_writes_nothing(directory):
    answer = run(directory, check=True, esmtpd={"MAXDAEMONS": 80})
    assert answer["changed"]
    assert answer["diff"][0]["after"] == ESMTPD.replace("MAXDAEMONS=40", 'MAXDAEMONS="80"')
    assert (directory / "esmtpd").read_text() == ESMTPD


def test_check_mode_waits_for_no_package(directory):
    answer = run(directory, check=True, imapd={"PORT": 143})
    assert answer["changed_keys"] == {"imapd": ["PORT"]}
    assert answer["diff"][0]["after"] == (
        f'# {directory}/imapd is not there yet; its package brings the rest of it.\nPORT="143"\n'
    )
    assert not (directory / "imapd").exists()


@pytest.mark.parametrize(("files", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_leaves_every_file_as_it_was(directory, files, sentence):
    answer = run(directory, **files)
    assert answer["failed"]
    assert answer["msg"] == sentence.replace("DIRECTORY", str(directory))
    assert (directory / "esmtpd").read_text() == ESMTPD
    assert (directory / "esmtpd-msa").read_text() == MSA


def test_refuses_a_file_that_sh_cannot_read(directory):
    (directory / "esmtpd-msa").write_text(MSA + 'DROP="-drop\n')
    answer = run(directory, **{"esmtpd": {"MAXDAEMONS": 80}, "esmtpd-msa": {"PORT": 465}})
    assert answer["msg"].startswith("esmtpd-msa: sh cannot read the file, so nothing was written: ")
    assert (directory / "esmtpd").read_text() == ESMTPD


@pytest.fixture
def without_gnutls_cli(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_nothing_unproved_is_written(directory, without_gnutls_cli):
    answer = run(directory, esmtpd={"TLS_PRIORITY": "NORMAL"})
    assert answer["msg"] == "esmtpd: TLS_PRIORITY: gnutls-cli is not there to prove it; install gnutls-bin"
    assert (directory / "esmtpd").read_text() == ESMTPD


def test_check_mode_waits_for_gnutls_cli_as_for_its_package(directory, without_gnutls_cli):
    assert run(directory, check=True, imapd={"TLS_PRIORITY": "NORMAL"})["changed"]


@pytest.fixture
def warnings(monkeypatch):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, warning: warnings.append(warning))
    return warnings


def test_each_run_says_who_is_cut_off(directory, warnings):
    for _run in range(2):
        answer = run(directory, esmtpd={"TLS_PRIORITY": priority("modern")})
    assert not answer["changed"]
    first, second = warnings
    assert first == second
    assert first.startswith("esmtpd: TLS_PRIORITY offers TLS 1.3 alone on port 25; ")


def test_nobody_is_cut_off_by_what_everybody_has(directory, warnings):
    run(directory, esmtpd={"TLS_PRIORITY": priority("intermediate")})
    assert warnings == []
