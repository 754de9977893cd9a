"""Whatever stands in the files of a host, it is read, or refused in a sentence; and what was read, modules take."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.action.validate import refusals
from plugins.module_utils._adopt import _adopting
from plugins.module_utils._adopt._adopting import AdoptError
from plugins.module_utils._adopt._plan import plain
from tests.unit.adopted_host import lay, read

FILES = [
    *("me", "defaultdomain", "locals", "hosteddomains/main", "esmtpacceptmailfor", "esmtpacceptmailfor.dir/domains"),
    *("userdb", "aliases/system", "aliasdir/.courier-x", "aliasdir/.courier-default", "esmtproutes", "esmtpauthclient"),
    *("smtpaccess/default", "smtpaccess/broken-servers", "bofh", "esmtpd", "esmtpd-msa", "imapd", "authdaemonrc"),
    *("courierd", "queuetime", "sizelimit", "dsnfrom", "dsnfailed.txt", "enablefiltering", "module.esmtp", "unknown"),
]
OTHERS = ["/etc/fetchmailrc", "/etc/pythonfilter.conf", "/var/mail/example.com/alice/.courier", "/etc/mailname"]
WORDS = [
    "example.com",
    "alice@example.com",
    "bob",
    "@example.com",
    "postmaster",
    "root",
    "kitchensink",
    "localhost",
    "192.0.2.7",
    "10",
    ":2001:0db8",
    "*",
    "allow",
    "deny",
    "RELAYCLIENT",
    "BLOCK",
    "BOFHCHECKDNS=0",
    "relay.example.net",
    "[192.0.2.1]",
    ",587",
    "/SECURITY=SMTPS",
    "/SECURITY=STARTTLS",
    "home=/var/mail/x",
    "uid=1999",
    "gid=0",
    "$1$x$y",
    "systempw=",
    "mail=",
    "|",
    "|/bin/x",
    "/dev/null",
    ":include:/x",
    "./Maildir",
    "&bob@example.net",
    "poll",
    "user",
    "password",
    "is",
    "ssl",
    "badfrom",
    "opt",
    "maxrcpts",
    "spamtrap",
    "BOFHSPFHELO=pass",
    "25M",
    "2d",
    "{{x}}",
    "é",
    "ADDRESS=",
    "PORT=25",
    "IMAP_EMPTYTRASH=Trash:7",
    "authmodulelist=authpam",
    "ESMTPAUTH_TLS=CRAM-MD5",
    "clamav",
]
MARKS = ["\x00", "\r", " ", "\t", "\n", "\n", *"#:,\"'=!."]
TEXTS = st.lists(st.sampled_from([*WORDS, *MARKS]), max_size=25).map("".join)
PATHS = [*(f"/etc/courier/{name}" for name in FILES), *OTHERS]
JUDGED = [f"/etc/courier/{name}" for name in ("esmtproutes", "smtpaccess/x", "bofh", "sizelimit", "esmtpd")]


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return read(lay(tmp_path_factory.mktemp("host")))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(PATHS), TEXTS, min_size=1, max_size=4))
def test_any_text_is_read_or_refused(host, texts):
    other = host._replace(files={**host.files, **texts})
    with contextlib.suppress(AdoptError):
        written = _adopting.written(other, "mx1.example.com")
        for path, text in (*written.files.items(), written.secrets):
            if path.endswith((".yml", ".json")):
                yaml.load(text, Loader)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(JUDGED), TEXTS, min_size=1))
def test_what_was_read_is_not_refused(host, texts):
    found = plain(_adopting.adopt(host._replace(files={**host.files, **texts})).variables)
    routes = [
        {**one, "class": kind, **({"password": "a-secret"} if "password" in one else {})}
        for kind, several in found.get("mail_routes", {}).items()
        for one in several
    ]
    peers = [{**one, "class": kind} for kind, several in found.get("mail_peers", {}).items() for one in several]
    arguments = {
        "esmtproutes": {"routes": routes},
        "smtpaccess": {"peers": peers, "entries": found.get("courier_mta_access", [])},
        "values": {"values": found.get("courier_mta_files", {})},
        "settings": {"files": {"esmtpd": found.get("courier_mta_esmtpd", {})}},
    }
    assert refusals(arguments) == []
