# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webmail, as people see it in Debian's Chromium, on both releases at a time.

Screenshots are beside the reports. The browser trusts the authorities that the hosts of the bed trust, and no other.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

REPORTS = Path(os.environ.get("REPORTS", ".cache/reports")) / "webmail"
PATIENCE = 20_000  # milliseconds until something must be on the page
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
CALM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Webmail:
    """A browser of its own in a thread of its own, and the site whose webmail it shows."""

    def __init__(self, site):
        self.site = site
        self.name = f"webmail.{site.domain}"
        self.url = f"https://{self.name}/"
        self.thread = ThreadPoolExecutor(1)
        self.home = tempfile.TemporaryDirectory(prefix="webmail.")
        self.asked = []  # what the browser wanted of the network

    def do(self, visit):
        return self.thread.submit(visit, self)

    def open(self):
        self._trust()
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            env=os.environ | {"HOME": self.home.name},
            args=[*CALM, f"--host-resolver-rules=MAP {self.name} {self.site.addresses['ipv4']}, MAP * ~NOTFOUND"],
        )
        self.enter(DESK)

    def _trust(self):
        """Have what this host trusts of the bed in the browser's own store."""
        store = Path(self.home.name) / ".pki/nssdb"
        store.mkdir(parents=True)
        run = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
        run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"])
        said = self.site.check_output("cat /usr/local/share/ca-certificates/*.crt")
        for number, one in enumerate(re.findall("-----BEGIN.*?-----END CERTIFICATE-----", said, re.DOTALL)):
            run(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", f"bed{number}", "-a"], input=one)

    def enter(self, size):
        """A browser that has never been here."""
        self.context = self.browser.new_context(viewport=size, locale="en-GB")
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        return self.page

    def close(self):
        self.browser.close()
        self.playwright.stop()
        self.home.cleanup()

    def log_in(self, account, page=None):
        page = page or self.page
        page.goto(self.url)
        page.fill("#horde_user", account.address)
        page.fill("#horde_pass", account.password)
        page.click("#login-button")

    def arrived(self, page=None):
        """Logged in, and the list of messages is there."""
        page = page or self.page
        page.wait_for_selector("#dimpmain_folder", state="visible")
        page.wait_for_function("() => !$('dimpLoading') || !$('dimpLoading').visible()")

    def picture(self, name, page=None):
        REPORTS.mkdir(parents=True, exist_ok=True)
        (page or self.page).screenshot(path=REPORTS / f"{name}-{self.site.facts['bed_image']}.png")

    def row(self, text):
        return self.page.locator("#msgSplitPane .vpRow", has_text=text).first

    def look(self, text):
        """Have the list made anew until a message is in it."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.row(text).is_visible():
            assert time.monotonic() < deadline, text
            self.page.click("#checkmaillink a, a#checkmaillink, #checkmaillink")
            self.page.wait_for_timeout(700)

    def read(self, text):
        """Open a message below the list, and return its page."""
        self.look(text)
        self.row(text).click()
        expect(self.page.locator("#previewMsg .subject").first).to_contain_text(text)
        return self.page

    def go_to(self, folder):
        self.page.locator(
            f"#imp-normalmboxes >> text=/^{folder}/, #imp-specialmboxes >> text=/^{folder}/"
        ).first.click()

    def compose(self, to, subject, text):
        """The window in which one writes, filled in."""
        with self.page.expect_popup() as popup:
            self.page.click("#horde-new-link, .horde-new-link, #composelink, .horde-new a")
        window = popup.value
        window.wait_for_selector("#composeMessage", state="visible")
        window.fill("#to", to)
        window.fill("#subject", subject)
        window.fill("#composeMessage", text)
        return window


@pytest.fixture(scope="module")
def webmails(sites):
    made = [Webmail(site) for site in sites]
    for opened in [one.do(Webmail.open) for one in made]:
        opened.result()
    yield made
    for closed in [one.do(Webmail.close) for one in made]:
        closed.result()


@pytest.fixture
def both(webmails):
    """Do something in both browsers at a time, and return what came of it, by site."""

    def both(visit):
        return {one.site: done.result() for one, done in [(one, one.do(visit)) for one in webmails]}

    return both
