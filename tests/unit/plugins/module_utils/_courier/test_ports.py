"""Where couriertcpd listens."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.ports import PortError, port, takes

TAKEN = {
    "all addresses": ("0", "smtp", True),
    "all addresses, by nothing": ("", "25", True),
    "this address": ("192.0.2.26", "smtp", True),
    "another": ("192.0.2.25", "smtp", False),
    "the loopback": ("127.0.0.1", "smtp", False),
    "a list without it": ("0", "127.0.0.1.25,192.0.2.25.25,2001:db8::25.25", False),
    "a list with it": ("0", "192.0.2.25.25,192.0.2.26.smtp", True),
    "a list with a port for all": ("0", "192.0.2.25.25,smtp", True),
    "another port for all": ("0", "192.0.2.25.25,2525", False),
}


@pytest.mark.parametrize(("address", "ports", "taken"), TAKEN.values(), ids=TAKEN)
def test_takes(address, ports, taken):
    assert takes("192.0.2.26", address, ports) == taken


def test_an_address_of_ipv6_may_be_written_in_many_ways():
    assert takes("2001:db8::26", "0", "2001:DB8:0:0::26.25")


def test_the_loopback_is_always_there():
    assert port(["192.0.2.25", "2001:db8:0::25"]) == "127.0.0.1.25,::1.25,192.0.2.25.25,2001:db8::25.25"


def test_refuses_what_is_no_address():
    with pytest.raises(PortError) as refusal:
        port(["mx1.example.com"])
    assert str(refusal.value) == (
        "mail_smtp_addresses has 'mx1.example.com', which is no address; "
        "write those of this host, 192.0.2.25 or 2001:db8::25"
    )
