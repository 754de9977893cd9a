"""Records and findings, as people see them."""

from plugins.filter.dns import dns_table


def test_findings():
    rows = [
        {"name": "example.com", "kind": "MX", "state": "ok", "said": "published: 10 mx1.example.com"},
        {"name": "_dmarc.example.com", "kind": "DMARC", "state": "missing", "said": "add it"},
    ]
    assert dns_table(rows) == [
        "result   record  name                what",
        "ok       MX      example.com         published: 10 mx1.example.com",
        "missing  DMARC   _dmarc.example.com  add it",
    ]


def test_records():
    assert dns_table([{"name": "example.com", "type": "MX", "value": "10 mx1.example.com"}]) == [
        "name         type  value",
        "example.com  MX    10 mx1.example.com",
    ]


def test_nothing():
    assert dns_table([]) == []
