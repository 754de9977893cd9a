"""docs/tls.md says what Mozilla's guideline says. That the ports do too, the tests of molecule/default ask them."""

from __future__ import annotations

from plugins.module_utils._courier.tls_guideline import CONFIGURATIONS, DATE, VERSION
from tests.tls_matrix import CERTIFICATES, LISTENERS, MARKS, PAGE, RELEASES, row, table, wanted

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_port_is_in_the_table_as_the_guideline_wants_it():
    assert (
        table(
            row(port, release, wanted(port, certificate))
            for port in LISTENERS
            for certificate in CERTIFICATES
            for release in RELEASES
        )
        in TEXT
    )


def test_the_marks_of_the_table_are_explained():
    assert all(f"| {mark} | {suite} |\n" in TEXT for suite, mark in MARKS.items())


def test_its_words_are_those_of_the_guideline():
    assert f"version {VERSION} of {DATE}" in TEXT
    words = " ".join(TEXT.split())
    for configuration in CONFIGURATIONS.values():
        *others, last = configuration.oldest_clients
        assert f"{', '.join(others)} and {last}" in words
