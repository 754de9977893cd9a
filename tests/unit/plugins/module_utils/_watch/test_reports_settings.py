from __future__ import annotations

import pytest

from plugins.module_utils._watch import _reports_settings as reports_settings
from plugins.module_utils._watch._reports_settings import Settings
from plugins.module_utils._watch._settings import SettingsError

BAD = {
    "no dictionary": ([], "write a dictionary"),
    "a name that is misspelt": ({"domain": ["example.com"]}, "there is no setting domain; did you mean domains?"),
    "a text for a list": ({"domains": "example.com"}, "domains is 'example.com'; write a list, each entry a text"),
    "a domain that is none": ({"domains": ["a b"]}, "domains is 'a b'; write names such as example.com"),
    "an address that is none": ({"relays": ["mx1"]}, "relays is 'mx1'; write addresses or networks"),
    "a network with a host": ({"networks": ["192.0.2.1/24"]}, "networks is '192.0.2.1/24'"),
    "reporters that are a list": ({"reporters": []}, "reporters is []; write a dictionary, each value a list"),
    "a reporter that is none": ({"reporters": {"example.com": ["x y"]}}, "reporters: example.com is 'x y'"),
    "a reporter without a list": ({"reporters": {"example.com": "b.test"}}, "reporters is {'example.com': 'b.test'}"),
    "a field that is none": ({"account_fields": ["X:"]}, "account_fields is 'X:'"),
    "a path that is none": ({"store": "x"}, "store is 'x'; write a path"),
    "a number that is a text": ({"days": "3"}, "days is '3'; write a whole number"),
    "true": ({"days": True}, "days is True; write a whole number"),
    "too few days": ({"days": 0}, "days is 0; write a number from 1 to 3650"),
    "too much memory": ({"memory": 1 << 20}, "memory is 1048576; write a number from 64 to 4096"),
    "a registration": ({"registrations": [{"name": "x"}]}, "registrations: x: kind is None"),
    "registrations that are none": ({"registrations": {}}, "registrations is {}; write a list"),
}


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_refuses(given, said):
    with pytest.raises(SettingsError) as refused:
        reports_settings.build(given)
    assert said in str(refused.value)


def test_nothing_said_is_well():
    assert reports_settings.build({}) == Settings()


def test_domains_are_as_dns_knows_them():
    assert reports_settings.build({"domains": ["Bücher.Example"]}).own() == {"xn--bcher-kva.example"}


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"x": 1}'])
def test_a_file_without_sense_is_named(tmp_path, text):
    path = tmp_path / "reports.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=str(path)):
        reports_settings.read(str(path))
