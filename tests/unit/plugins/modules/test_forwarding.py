from __future__ import annotations

import os

import pytest

from plugins.modules import forwarding
from tests.unit.run_module import run_module

SETTINGS = {"domain": "mx1.example.com", "users": ["courier"], "ours": ["example.com"]}
SECRETS = ["a-long-secret-of-ours", "an-older-secret-of-ours"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The module in a directory of the test, whose files are the tester's."""
    monkeypatch.setattr(forwarding, "UNITS", str(tmp_path))
    given = forwarding.File

    def mine(path, text, *rest, **named):
        return given(path, text, *rest, **named)._replace(owner=str(os.getuid()), group=str(os.getgid()))

    monkeypatch.setattr(forwarding, "File", mine)

    def run(check=False, **arguments):
        return run_module(forwarding, check=check, directory=str(tmp_path), **{"settings": SETTINGS, **arguments})

    return run


def secrets(tmp_path):
    return (tmp_path / "srs-secrets").read_text()


def test_makes_a_secret_once(run, tmp_path):
    assert run(units={"a.service": "[Unit]\n"})["files"] == [
        f"{tmp_path}/{name}" for name in ("a.service", "forward.json", "srs-secrets")
    ]
    made = secrets(tmp_path)
    assert len(made) > 40
    assert (tmp_path / "srs-secrets").stat().st_mode & 0o777 == 0o600
    assert not run(units={"a.service": "[Unit]\n"})["changed"]
    assert secrets(tmp_path) == made


def test_keeps_what_the_operator_put_there(run, tmp_path):
    text = "# since May\na-newer-secret-of-ours\nan-older-secret-of-ours\n"
    (tmp_path / "srs-secrets").write_text(text)
    run()
    assert secrets(tmp_path) == text


def test_takes_those_that_are_given(run, tmp_path):
    run()
    run(secrets=SECRETS)
    assert secrets(tmp_path).splitlines() == SECRETS
    assert not run(secrets=SECRETS)["changed"]


def test_shows_none(run, tmp_path):
    before = str(run())
    assert secrets(tmp_path).strip() not in before
    after = str(run(secrets=SECRETS))
    assert not any(secret in after for secret in SECRETS)
    assert "secret 2: (hidden)" in after


def test_check_mode_writes_nothing(run, tmp_path):
    assert run(check=True)["changed"]
    assert list(tmp_path.iterdir()) == []


REFUSED = {
    "a short secret": ({"secrets": ["short"]}, "mail_srs_secrets: secret 1 is not 16 characters or more"),
    "a secret with blanks": ({"secrets": [SECRETS[0], "a long secret of ours"]}, "mail_srs_secrets: secret 2 is not"),
    "one twice": ({"secrets": SECRETS * 2}, "mail_srs_secrets has a secret twice"),
    "days without sense": (
        {"settings": SETTINGS | {"max_age": 0}},
        "the forwarding service: max_age is 0; write days from 1 to 365",
    ),
    "a circle": (
        {"forwards": [{"name": "a@example.com", "targets": ["A@example.com"], "account": True}]},
        "the forwards a@example.com -> a@example.com never arrive; let one of them go to a mailbox",
    ),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(run, tmp_path, given, sentence):
    answer = run(**given)
    assert answer["failed"]
    assert answer["msg"].startswith(sentence)
    assert "short" not in answer["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_secret_of_the_host_that_is_none_is_refused(run, tmp_path):
    (tmp_path / "srs-secrets").write_text("short\n")
    assert run()["msg"].startswith(f"{tmp_path}/srs-secrets: secret 1 is not 16 characters")
