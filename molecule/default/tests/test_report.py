# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook report: one page about each site, with what happened there on it."""

from __future__ import annotations

import json
import re
import secrets
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.playbook import play_on_bed

HELO = '<b onmouseover="alert(1)">{{7*7}}'


def run(directory: Path, *arguments: str):
    given = json.dumps({"mail_report_directory": str(directory)})
    return play_on_bed(*arguments, "-e", given, "courier.mail.report")


@pytest.fixture(scope="module")
def refused(sites, host_named) -> str:
    """A stranger whose name is a page of its own, and who writes to somebody who is not there."""
    stranger = host_named("stranger.example.net")
    for site in sites:
        with site.call(stranger, 25) as smtp:
            smtp.ehlo(HELO)
            smtp.mail("someone@example.net")
            assert smtp.rcpt(f'"<script>alert(1)</script>"@{site.domain}')[0] >= 400
        with site.call(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail("someone@example.net")
            assert smtp.rcpt(f"nobody-of-the-report@{site.domain}")[0] == 550
    return stranger.addresses["ipv4"]


@pytest.fixture(scope="module")
def sent(sites, host_named) -> None:
    """Somebody logs in and writes to himself."""
    for site in sites:
        alice, token = site.accounts["alice"], secrets.token_hex(12)
        letter = EmailMessage()
        letter["From"] = letter["To"] = alice.address
        letter["Subject"] = f"About {token}"
        letter.set_content("All is well.\n")
        with site.smtp(host_named("stranger.example.net"), 587) as smtp:
            smtp.login(*alice)
            smtp.send_message(letter)
        deadline = time.monotonic() + 60
        while not site.inbox(alice, token) and time.monotonic() < deadline:
            time.sleep(0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory, refused, sent):
    """The page and the data of all hosts of the scenario."""
    directory = tmp_path_factory.mktemp("report")
    done, record = run(directory)
    assert done.returncode == 0
    # Nothing changes but the files here.
    assert {one["task"].rpartition(" : ")[2] for one in record if one["outcome"] == "changed"} == {
        "Write the page, and the same as JSON"
    }
    return directory


@pytest.fixture(scope="module")
def data(made):
    return json.loads((made / "report.json").read_text())


def of(data, site):
    return next(host for host in data["hosts"] if host["name"] == site.name)


def test_nothing_was_hard_to_find_out(data):
    assert {host["name"]: host["troubles"] for host in data["hosts"] if host["troubles"]} == {}


def test_says_what_came_and_went(data, site):
    journal = of(data, site)["report"]["journal"]
    assert sum(journal["incoming"]["authenticated"]) > 0
    assert sum(journal["outgoing"]["mailboxes"]["delivered"]) > 0
    assert sum(journal["latency"]["counts"]["mailboxes"]) > 0


def test_says_who_was_refused(data, site, refused):
    journal = of(data, site)["report"]["journal"]
    assert any(one["text"] == "550 User … unknown" for one in journal["reasons"])
    assert refused in {one["text"] for one in journal["refused_clients"]}


def test_says_in_which_tls_mail_came(data, site):
    assert "TLS 1.3" in of(data, site)["report"]["journal"]["tls"]


def test_says_how_the_host_stands(data, site):
    report = of(data, site)["report"]
    assert report["filters"] == [
        {
            "name": "pythonfilter",
            "ok": True,
            "said": "lets harmless mail in",
            "seconds": report["filters"][0]["seconds"],
        }
    ]
    assert report["certificates"][0]["until"]
    assert report["queue"]["messages"] >= 0
    assert report["units"]["watched"] > 5
    assert report["bans"]["error"] == ""
    assert {one["address"].partition("@")[0] for one in of(data, site)["mailboxes"]} == set(site.accounts)


def test_a_satellite_has_less_to_say(data, satellite):
    report = of(data, satellite)["report"]
    assert report["filters"] in (None, [])
    assert report["lists"] is None
    assert of(data, satellite)["mailboxes"] is None


def test_a_dead_filter_needs_a_human(site, tmp_path):
    site.check_output("systemctl stop courier-pythonfilter.service clamav-daemon.service spamd.service")
    site.run("systemctl mask --runtime courier-pythonfilter.service; systemctl stop courier-pythonfilter.service")
    try:
        # The watch's word counts, and to be asked by the report starts the filter. So nobody looks again until then.
        site.check_output("systemctl stop courier-mail-watch-look.timer")
        site.run_unit("courier-mail-watch-look.service")
        done, _record = run(tmp_path, "--limit", site.name)
    finally:
        site.run("systemctl start courier-mail-watch-look.timer")
        site.run("systemctl unmask --runtime courier-pythonfilter.service")
        site.run("systemctl start clamav-daemon.service spamd.service")
        site.check_output(
            "systemctl restart courierfilter courier-pythonfilter.socket courier-mta courier-msa courier-mta-ssl"
        )
    assert done.returncode == 0
    found = json.loads((tmp_path / "report.json").read_text())["needs"]
    (dead,) = [one for one in found if one["subject"] == "unit courier-pythonfilter.service"]
    assert dead["state"] == "bad"


def test_writes_nothing_where_it_is_only_to_say_what_it_would(tmp_path):
    done, _record = run(tmp_path, "--check", "--limit", "mx1.example.com")
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path / "report.html") in done.stdout


def test_a_name_of_a_site_that_is_none_is_refused(tmp_path):
    done, _record = run(tmp_path, "--limit", "mx1.example.com", "-e", "mail_report_site=../x")
    assert done.returncode != 0
    assert "a site becomes part of a file's name" in re.sub(r"\s+", " ", done.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (375, "dark")], ids=["on a desk", "on a phone, in the dark"]
)
def test_a_browser_shows_it(made, width, scheme):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto((made / "report.html").as_uri())
        # Nothing from elsewhere, no complaint, and nothing that has to be scrolled aside.
        assert asked == [(made / "report.html").as_uri()]
        assert said == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("h2", has_text="What needs a human").is_visible()
        assert page.locator("figure svg rect").count() > 0
        page.locator("summary").first.click()
        assert page.locator("details[open] table").first.is_visible()
        browser.close()
