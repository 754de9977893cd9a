"""Keys of a host, from the first to the removal of the last, with openssl's own keys and a DNS that a test plays."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.module_utils import _dns
from plugins.module_utils._openssl import OpenSSL
from plugins.modules import dkim_keys
from tests.unit.run_module import run_module

DOMAINS = ["example.com", "example.org"]


@pytest.fixture(autouse=True)
def warnings(monkeypatch):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, warning: warnings.append(warning))
    return warnings


@pytest.fixture
def zone(monkeypatch):
    """What DNS has, by name; a name may be an exception."""
    records: dict = {}

    def ask(name, kind):
        assert kind == "TXT"
        found = records.get(name, [])
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(_dns, "ask", ask)
    return records


class Host:
    def __init__(self, path):
        self.path = path
        self.keys = path / "dkim"
        self.links = path / "filters/keys"

    def run(self, *, check=False, **options):
        arguments = {
            "domains": DOMAINS,
            "prefix": "mx1",
            "directory": str(self.keys),
            "links": str(self.links),
            "owner": str(os.getuid()),
            "group": str(os.getgid()),
        }
        answer = run_module(dkim_keys, check=check, **arguments | options)
        assert "PRIVATE" not in json.dumps(answer)
        return answer

    def signing(self):
        return json.loads((self.keys / "signing.json").read_text())

    def active(self, domain="example.com"):
        return [one["selector"] for one in self.signing()["domains"][domain]]

    def seen(self):
        """Each file with its text and its mode."""
        return {
            str(path.relative_to(self.path)): (path.read_text(), path.stat().st_mode)
            for path in self.path.rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def some_keys():
    """RSA keys that are there already: openssl takes its time."""
    return [make_rsa() for _number in range(6)]


@pytest.fixture
def host(tmp_path, monkeypatch, some_keys):
    left = list(some_keys)
    make_key = OpenSSL.make_key
    monkeypatch.setattr(OpenSSL, "make_key", lambda self, one: left.pop() if one == "rsa" else make_key(self, one))
    return Host(tmp_path)


def publish(zone, answer):
    zone.update({one["name"]: [one["text"]] for one in answer["records"]})


def states(answer, domain="example.com"):
    return [one["state"] for one in answer["records"] if one["name"].endswith(f".{domain}")]


def make(*options):
    return subprocess.run(["openssl", "genpkey", *options], check=True, capture_output=True, text=True).stdout


def make_rsa(bits=2048):
    return make("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")


class TestKeep:
    def test_makes_a_pair_for_each_domain(self, tmp_path):
        host = Host(tmp_path)
        answer = host.run()
        assert answer["changed"]
        for domain in DOMAINS:
            rsa, ed25519 = host.active(domain)
            assert (rsa[:4], rsa[-4:], ed25519) == ("mx1-", "-rsa", rsa[:-3] + "ed25519")
            assert rsa[4:12].isdigit()
            assert {path.name for path in (host.keys / domain).iterdir()} == {
                f"{selector}.{end}" for selector in (rsa, ed25519) for end in ("private", "txt")
            }
        assert states(answer) == ["active", "active"]
        assert host.signing()["default"] == "example.com"

    def test_only_owner_and_group_read_them(self, host):
        host.run()
        for path in [host.keys, *host.keys.rglob("*")]:
            assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path

    def test_the_text_beside_a_key_is_its_record(self, host):
        for one in host.run()["records"]:
            selector, _rest, domain = one["name"].partition("._domainkey.")
            assert (host.keys / domain / f"{selector}.txt").read_text() == one["text"] + "\n"

    def test_changes_nothing_the_second_time(self, host):
        first = host.run()
        before = host.seen()
        again = host.run()
        assert (again["changed"], again["files"]) == (False, [])
        assert again["records"] == first["records"]
        assert host.seen() == before

    def test_check_mode_writes_nothing(self, host):
        answer = host.run(check=True)
        assert answer["changed"]
        assert answer["records"] == []
        assert list(host.path.iterdir()) == []
        host.run()
        assert not host.run(check=True)["changed"]

    def test_private_keys_are_not_shown(self, host):
        diffs = host.run()["diff"]
        assert {diff["after"] for diff in diffs if diff["after_header"].endswith(".private")} == {"(private key)\n"}

    def test_a_key_that_all_could_read_is_put_right(self, host, warnings):
        host.run()
        path = host.keys / "example.com" / f"{host.active()[0]}.private"
        path.chmod(0o644)
        answer = host.run()
        assert answer["files"] == [str(path)]
        assert path.stat().st_mode & 0o777 == 0o640
        assert f"{path} could be read by everybody" in warnings[0]
        assert not host.run()["changed"]
        assert len(warnings) == 1

    def test_a_domain_that_leaves_signs_no_more_and_keeps_its_keys(self, host, warnings):
        host.run()
        before = host.active("example.org")
        answer = host.run(domains=["example.com"])
        assert answer["changed"]
        assert list(host.signing()["domains"]) == ["example.com"]
        assert states(answer, "example.org") == []
        assert "example.org does not sign here any more; its keys stay" in warnings[0]
        assert not host.run(domains=["example.com"])["changed"]
        host.run()
        assert host.active("example.org") == before

    def test_without_a_domain_nothing_signs(self, host):
        host.run()
        host.run(domains=[])
        assert not (host.keys / "signing.json").exists()
        assert len(list(host.keys.rglob("*.private"))) == 4
        assert not host.run(domains=[])["changed"]

    def test_where_there_was_never_a_domain_nothing_is_made(self, host):
        assert not host.run(domains=[])["changed"]
        assert list(host.path.iterdir()) == []

    def test_a_key_that_is_gone_is_not_replaced_in_silence(self, host):
        host.run()
        path = host.keys / "example.com" / f"{host.active()[1]}.private"
        path.unlink()
        answer = host.run()
        assert answer["failed"]
        assert f"{path} is gone, with which example.com signs" in answer["msg"]
        assert not path.exists()

    @pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None])
    def test_a_key_that_is_none_is_refused(self, host, text):
        host.run()
        path = host.keys / "example.com" / f"{host.active()[0]}.private"
        path.write_text(make_rsa(1024) if text is None else text)
        before = host.seen()
        answer = host.run()
        assert answer["failed"]
        assert str(path) in answer["msg"]
        assert host.seen() == before

    def test_a_key_under_another_name_is_refused(self, host):
        host.run()
        rsa, ed25519 = (host.keys / "example.com" / f"{one}.private" for one in host.active())
        rsa.write_text(ed25519.read_text())
        assert f"{rsa} is no rsa key" in host.run()["msg"]

    def test_a_state_that_is_none_is_refused(self, host):
        host.run()
        (host.keys / "signing.json").write_text("{")
        assert "nobody knows what signs" in host.run()["msg"]


class TestLinks:
    def test_each_domain_has_a_link_to_its_rsa_key(self, host):
        host.run(linked=True)
        link = host.links / "example.com"
        assert os.readlink(link) == f"../../dkim/example.com/{host.active()[0]}.private"
        assert link.resolve().exists()
        assert not host.run(linked=True)["changed"]
        assert not (host.links / "example.com~").exists()

    def test_a_run_that_died_between_is_no_hindrance(self, host):
        host.run()
        host.links.mkdir(parents=True)
        (host.links / "example.com~").symlink_to("nowhere")
        host.run(linked=True)
        assert (host.links / "example.com").resolve().exists()

    def test_they_follow_what_signs(self, host, zone):
        host.run(linked=True)
        publish(zone, host.run(linked=True, stage="next"))
        host.run(linked=True, stage="switch")
        assert os.readlink(host.links / "example.com").endswith(f"{host.active()[0]}.private")

    def test_they_go_and_those_of_others_stay(self, host):
        host.run(linked=True)
        (host.links / "example.net").symlink_to("../../elsewhere/key")
        answer = host.run(linked=True, domains=["example.com"])
        assert str(host.links / "example.org") in answer["files"]
        host.run()
        assert [path.name for path in host.links.iterdir()] == ["example.net"]


class TestGiven:
    def test_a_domain_has_what_is_given_and_no_other(self, host):
        answer = host.run(keys=[{"domain": "example.com", "selector": "s1", "private_key": make_rsa()}])
        assert host.active() == ["s1"]
        assert len(host.active("example.org")) == 2
        assert states(answer) == ["active"]

    def test_changes_nothing_the_second_time(self, host):
        keys = [{"domain": "example.com", "selector": "s1", "private_key": make_rsa()}]
        host.run(keys=keys)
        assert not host.run(keys=keys)["changed"]

    def test_where_others_sign_it_waits_for_dns(self, host, zone):
        host.run()
        before = host.active()
        keys = [{"domain": "example.com", "selector": "s1", "private_key": make_rsa()}]
        answer = host.run(keys=keys)
        assert host.active() == before
        assert states(answer) == ["active", "active", "next"]
        assert not host.run(keys=keys)["changed"]
        publish(zone, answer)
        assert host.run(keys=keys, stage="switch")["switched"] == ["example.com"]
        assert host.active() == ["s1"]
        assert not host.run(keys=keys)["changed"]

    def test_another_key_under_the_same_selector_is_refused(self, host):
        one, other = ({"domain": "example.com", "selector": "s1", "private_key": make_rsa()} for _time in range(2))
        host.run(keys=[one])
        before = host.seen()
        answer = host.run(keys=[other])
        assert "s1.private is another key than mail_dkim_keys has for this selector" in answer["msg"]
        assert host.seen() == before

    def test_it_is_not_rotated(self, host, warnings):
        keys = [{"domain": "example.com", "selector": "s1", "private_key": make_rsa()}]
        host.run(keys=keys)
        answer = host.run(keys=keys, stage="next")
        assert states(answer) == ["active"]
        assert "the keys of example.com are given by the inventory, and stay" in warnings[0]


class TestRotation:
    def test_the_next_pair_does_not_sign(self, host):
        host.run()
        before = host.active()
        answer = host.run(stage="next")
        assert host.active() == before
        assert states(answer) == ["active", "active", "next", "next"]
        assert not host.run(stage="next")["changed"]
        assert not host.run()["changed"]

    def test_it_signs_when_dns_shows_it(self, host, zone):
        host.run()
        before = host.active()
        answer = host.run(stage="next")
        publish(zone, answer)
        switched = host.run(stage="switch")
        assert switched["switched"] == DOMAINS
        assert not set(host.active()) & set(before)
        assert states(switched) == ["active", "active", "retired", "retired"]
        assert all((host.keys / "example.com" / f"{selector}.private").exists() for selector in before)
        again = host.run(stage="switch")
        assert (again["changed"], again["switched"]) == (False, [])

    @pytest.mark.parametrize("wrong", ["nothing", "half", "another key", "no answer"])
    def test_it_does_not_before(self, host, zone, wrong):
        host.run()
        before = host.active()
        answer = host.run(stage="next")
        publish(zone, answer)
        name = next(one["name"] for one in answer["records"] if one["state"] == "next" and "example.com" in one["name"])
        if wrong == "nothing":
            zone.clear()
        else:
            zone[name] = {
                "half": [],
                "another key": [answer["records"][0]["text"]],
                "no answer": _dns.NoAnswer("SERVFAIL"),
            }[wrong]
        late = host.run(stage="switch")
        assert late["failed"]
        assert "DNS does not show the next keys of example.com" in late["msg"]
        assert f'{name} TXT "v=DKIM1; k=rsa; p=' in late["msg"]
        assert host.active() == before
        # The other domain has not to wait for it.
        assert late["switched"] == ([] if wrong == "nothing" else ["example.org"])
        publish(zone, answer)
        assert "example.com" in host.run(stage="switch")["switched"]

    def test_it_waits_for_dns(self, host, zone, monkeypatch):
        host.run()
        answer = host.run(stage="next")
        slept = []
        monkeypatch.setattr(dkim_keys.time, "sleep", lambda seconds: slept.append(seconds) or publish(zone, answer))
        assert host.run(stage="switch", wait=60)["switched"] == DOMAINS
        assert slept == [dkim_keys.PAUSE]

    def test_a_check_run_looks_and_changes_nothing(self, host, zone):
        host.run()
        answer = host.run(stage="next")
        before = host.seen()
        assert host.run(stage="switch", check=True, wait=60)["waiting"] == DOMAINS
        publish(zone, answer)
        assert host.run(stage="switch", check=True)["switched"] == DOMAINS
        assert host.seen() == before

    def test_old_keys_go_when_their_time_is_over(self, host, zone, monkeypatch):
        host.run()
        before = host.active()
        publish(zone, host.run(stage="next"))
        host.run(stage="switch")
        assert not host.run(stage="retire", retire_days=1)["changed"]
        now = time.time()
        monkeypatch.setattr(dkim_keys.time, "time", lambda: now + 86401)
        assert not host.run(stage="retire", retire_days=2)["changed"]
        answer = host.run(stage="retire", retire_days=1)
        assert states(answer) == ["active", "active"]
        assert not any(
            (host.keys / "example.com" / f"{selector}.{end}").exists()
            for selector in before
            for end in ("private", "txt")
        )
        assert len(list((host.keys / "example.com").iterdir())) == 4
        assert not host.run(stage="retire", retire_days=1)["changed"]

    def test_a_key_that_is_gone_is_replaced_by_a_rotation(self, host, zone):
        host.run()
        (host.keys / "example.com" / f"{host.active()[0]}.private").unlink()
        following = host.run(stage="next")
        # DNS takes its time, and runs meanwhile have nothing to say.
        assert not host.run()["changed"]
        publish(zone, following)
        answer = host.run(stage="switch")
        assert states(answer) == ["active", "active", "retired"]
        assert not host.run()["changed"]

    def test_a_next_key_that_is_gone_is_made_again(self, host):
        host.run()
        host.run(stage="next")
        selector = host.signing()["next"]["example.com"][0]["selector"]
        (host.keys / "example.com" / f"{selector}.private").unlink()
        answer = host.run(stage="next")
        assert answer["changed"]
        assert states(answer).count("next") == 2


REFUSED = {
    "a prefix": ({"prefix": "mx_1"}, "'mx_1' cannot begin a selector"),
    "a domain": ({"domains": ["exam ple.com"]}, "'exam ple.com'"),
    "no time for what is on its way": ({"retire_days": 0}, "retire_days is 0; write 1 or more"),
    "a short key": (
        {"keys": [{"domain": "example.com", "selector": "s", "private_key": make_rsa(1024)}]},
        "has 1024 bits",
    ),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
def test_refuses(host, options, said):
    answer = host.run(**options)
    assert answer["failed"]
    assert said in answer["msg"]
    assert list(host.path.iterdir()) == []


def test_without_openssl_it_says_so(host, monkeypatch):
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda *_arguments, **_options: None)
    assert "install openssl" in host.run()["msg"]
    assert host.run(check=True)["changed"]


def test_a_directory_that_cannot_be_made_is_said(host):
    (host.path / "filters").write_text("a file")
    assert "filters" in host.run(linked=True)["msg"]
