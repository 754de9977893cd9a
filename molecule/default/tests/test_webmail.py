# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webmail, as people see it in Debian's Chromium, on both releases at a time.

Screenshots are beside the reports. The browser trusts the authorities that the hosts of the bed trust, and no other.
"""

from __future__ import annotations

import email.policy
import functools
import http.client
import json
import os
import random
import re
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Error, expect, sync_playwright

REPORTS = Path(os.environ.get("REPORTS", ".cache/reports")) / "webmail"
PATIENCE = 20_000  # milliseconds until something must be on the page
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
CALM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STRANGER = "mailbox@example.net"


class Webmail:
    """A browser of its own in a thread of its own, and the site whose webmail it shows."""

    def __init__(self, site):
        self.site = site
        self.alice = site.accounts["alice"]
        self.name = f"webmail.{site.domain}"
        self.url = f"https://{self.name}/"
        self.thread = ThreadPoolExecutor(1)
        self.home = tempfile.TemporaryDirectory(prefix="webmail.")
        self.asked = []  # what the browser wanted of the network
        self.said = []  # what scripts wanted to tell people

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
        expect.set_options(timeout=PATIENCE)
        self.page = self.enter()
        self.log_in(self.alice)
        self.arrived()

    def _trust(self):
        """Have what this host trusts of the bed in the browser's own store."""
        store = Path(self.home.name) / ".pki/nssdb"
        store.mkdir(parents=True)
        run = functools.partial(subprocess.run, check=True, capture_output=True, text=True)
        run(["certutil", "-d", f"sql:{store}", "-N", "--empty-password"])
        said = self.site.check_output("cat /usr/local/share/ca-certificates/*.crt")
        for number, one in enumerate(re.findall("-----BEGIN.*?-----END CERTIFICATE-----", said, re.DOTALL)):
            run(["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", f"bed{number}", "-a"], input=one)

    def enter(self, size=None):
        """A page of a browser that has never been here."""
        context = self.browser.new_context(**(size or DESK), locale="en-GB")
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        return context.new_page()

    def close(self):
        self.browser.close()
        self.playwright.stop()
        self.home.cleanup()

    def log_in(self, account, page=None, server=""):
        page = page or self.page
        page.goto(self.url)
        if page.locator("#imp_server_key").count():
            page.select_option("#imp_server_key", server or account.address.rpartition(".")[2])
        page.fill("#horde_user", account.address)
        page.fill("#horde_pass", account.password)
        page.click("#login-button")

    def arrived(self, page=None):
        """Logged in, and the list of messages is there."""
        page = page or self.page
        page.wait_for_selector("#dimpmain_folder", state="visible")
        page.wait_for_selector("#dimpLoading", state="hidden")
        page.wait_for_selector("#foldersSidebar", state="visible")

    def picture(self, name, page=None):
        REPORTS.mkdir(parents=True, exist_ok=True)
        (page or self.page).screenshot(path=REPORTS / f"{name}-{self.site.facts['bed_image']}.png")

    def put(self, message, folder="INBOX"):
        """Have a message in a folder of hers, as if it had come."""
        with self.site.imap(self.site) as imap:
            imap.login(*self.alice)
            code, said = imap.append(folder, None, None, message.as_bytes(policy=email.policy.SMTP))
            assert code == "OK", said

    def holds(self, folder, token):
        """Whether a folder of hers has a message with a token."""
        with self.site.imap(self.site) as imap:
            imap.login(*self.alice)
            if imap.select(folder if folder == "INBOX" else f"INBOX.{folder}", readonly=True)[0] != "OK":
                return False
            return bool(imap.search(None, "SUBJECT", token)[1][0])

    def row(self, text, page=None):
        return (page or self.page).locator("#msgSplitPane .vpRow", has_text=text).first

    def look(self, text, page=None):
        """Have the list made anew until a message is in it."""
        page = page or self.page
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.row(text, page).is_visible():
            assert time.monotonic() < deadline, f"{text} is not in the list"
            page.click("#checkmaillink")
            page.wait_for_timeout(500)

    def read(self, text, page=None):
        """Open a message below the list."""
        page = page or self.page
        self.look(text, page)
        self.row(text, page).click()
        expect(page.locator("#msgHeadersColl .subject")).to_contain_text(text)

    def folder(self, name, page=None):
        return (page or self.page).locator("#foldersSidebar .horde-subnavi", has_text=name).first

    def go_to(self, folder, page=None):
        page = page or self.page
        self.folder(folder, page).locator("a").last.click()
        expect(page.locator("#mailboxName")).to_contain_text(folder)

    def compose(self, to, subject, text, page=None):
        """The window in which one writes, filled in."""
        page = page or self.page
        with page.expect_popup() as popup:
            page.click("#composelink")
        window = popup.value
        window.wait_for_selector("#composeMessage", state="visible")
        window.locator("#sendto input, #to").locator("visible=true").first.fill(to)
        window.fill("#subject", subject)
        window.fill("#composeMessage", text)
        return window

    def fetch(self, url, form=None):
        """What the site says to a request with the cookies of whoever is logged in."""
        return self.page.evaluate(
            """async ([url, form]) => {
                const answer = await fetch(url, form ? {method: 'POST', body: new URLSearchParams(form)} : {});
                return {status: answer.status, headers: Object.fromEntries(answer.headers), text: await answer.text()};
            }""",
            [url, form],
        )

    def send(self, window):
        try:
            with window.expect_event("close"):
                window.click("#send_button")
        except BaseException:
            self.picture("not-sent", window)
            raise


@pytest.fixture(scope="module")
def webmails(sites):
    made = [Webmail(site) for site in sites]
    try:
        for opened in [one.do(Webmail.open) for one in made]:
            opened.result()
        yield made
    finally:
        for closed in [one.do(Webmail.close) for one in made]:
            closed.result()


@pytest.fixture
def both(webmails):
    """Do something in both browsers at a time."""

    def both(visit):
        for one, done in [(one, one.do(visit)) for one in webmails]:
            try:
                done.result()
            except BaseException as error:
                test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].partition(" ")[0]
                one.do(functools.partial(Webmail.picture, name=f"failed-{test}")).result()
                error.add_note(f"This was {one.name} on {one.site.facts['bed_image']}.")
                raise

    return both


def from_stranger(letter):
    letter["From"] = f"A Stranger <{STRANGER}>"
    letter["To"] = "you@example.net"
    return letter


def test_who_knows_no_password_sees_nothing(both, eventually):
    def visit(it):
        page = it.enter()
        it.log_in(it.alice._replace(password="wrong"), page)
        expect(page.locator("body")).to_contain_text("Login failed")
        expect(page.locator("#horde_pass")).to_be_visible()
        it.picture("wrong-password", page)
        page.goto(f"{it.url}horde/imp/dynamic.php?page=mailbox")
        expect(page.locator("#horde_pass")).to_be_visible()
        page.context.close()
        gateway = it.site.facts["bed_ipv4_network"].rpartition(".")[0] + ".1"
        line = f"FAILED LOGIN for {it.alice.address} to horde ({gateway}) [pid"
        assert eventually(lambda: line in it.site.check_output("journalctl --no-pager -o cat -t HORDE -n 50"))

    both(visit)


def test_any_password_will_do(both):
    """Such as one with all the printable characters of ASCII, and a space in front."""

    def visit(it):
        page = it.enter()
        it.log_in(it.site.accounts["dave"], page)
        it.arrived(page)
        page.context.close()

    both(visit)


def test_letters_in_any_alphabet_are_read(both, letter, token):
    del letter["Subject"]
    letter["Subject"] = f"Größe, Ταχυδρομείο, Письмо {token}"
    letter.set_content("Žluťoučký kůň. Ταχυδρομείο.\n", charset="utf-8")
    from_stranger(letter)

    def visit(it):
        it.put(letter)
        it.read(token)
        expect(it.page.locator("#msgHeadersColl .subject")).to_contain_text("Größe, Ταχυδρομείο, Письмо")
        expect(it.page.locator("#messageBody")).to_contain_text("Žluťoučký kůň.")
        expect(it.page.locator("#messageBody")).to_contain_text("Ταχυδρομείο.")
        it.picture("read")

    both(visit)


HOSTILE = """<html><head><title>taken</title><meta http-equiv="refresh" content="0;url=https://tracker.example.net/refresh">
<script>top.taken = 'script'; alert('script')</script>
<style>body {{ background: url(https://tracker.example.net/style.png) }}</style>
<link rel="stylesheet" href="https://tracker.example.net/sheet.css"></head>
<body onload="top.taken = 'onload'" background="https://tracker.example.net/background.png">
<p>Dear friend {token},</p>
<img src="x:" onerror="top.taken = 'onerror'; alert('onerror')">
<svg onload="top.taken = 'svg'"><script>top.taken = 'svg script'</script></svg>
<a id="bait" href="javascript:top.taken = 'link'">click here</a>
<a href=" java&#x09;script:top.taken = 'tab'">or here</a>
<iframe srcdoc="<script>top.taken = 'srcdoc'</script>"></iframe>
<object data="data:text/html,<script>top.taken = 'object'</script>"></object>
<math><mtext><table><mglyph><style><img src=x onerror="top.taken = 'math'"></style></mglyph></table></mtext></math>
<form action="https://tracker.example.net/form"><input name="password"><button>go</button></form>
<div style="background-image: url('https://tracker.example.net/div.png')">all is well.</div>
<div style="list-style-image: url(https://tracker.example.net/list.png); display: list-item">one</div>
<div style="background: url(https://tracker.example.net/first.png), url(https://tracker.example.net/second.png)">two</div>
<div style="border-image: u\\72l(https://tracker.example.net/escaped.png) 30; border: 9px solid">three</div>
<style>@media all {{ div {{ background: url(https://tracker.example.net/media.png) }} }}</style>
<style type="TEXT/CSS;x">@import "https://tracker.example.net/import.css";</style>
<video poster="https://tracker.example.net/poster.png" src="https://tracker.example.net/video.mp4"></video>
<svg><image href="https://tracker.example.net/svg.png" width="9" height="9"></image></svg>
<picture><source srcset="//tracker.example.net/source.png"><img src="https://tracker.example.net/picture.png"></picture>
<table><tr><th background="https://tracker.example.net/th.png">four</th></tr></table>
<input type="image" src="https://tracker.example.net/input.png">
<img src="https://tracker.example.net/pixel.png" srcset="https://tracker.example.net/set.png 2x" width="9" height="9">
</body></html>"""


def test_a_hostile_letter_runs_nothing_and_calls_nobody_unless_asked_to(both, letter, token):
    letter.set_content(HOSTILE.format(token=token), subtype="html")
    from_stranger(letter)

    def visit(it):
        def tracked():
            return [url for url in it.asked if "tracker" in url]

        def taken():
            return (
                it.page.evaluate("window.taken || ''")
                or "".join(it.said)
                or it.page.title() * ("taken" in it.page.title())
            )

        it.put(letter)
        it.read(token)
        frame = it.page.frame_locator("#messageBody iframe.htmlMsgData")
        expect(frame.locator("body")).to_contain_text(f"Dear friend {token}")
        it.picture("hostile")
        for link in frame.locator("a").all():
            link.click(no_wait_after=True)
        it.page.wait_for_timeout(1000)  # for what should not come
        assert taken() == ""
        assert tracked() == []
        assert frame.locator("script, iframe, object, [onerror], [onload], [action]").count() == 0
        # What the cleaning might have missed.
        it.page.evaluate(
            """() => {
                const inner = document.querySelector('#messageBody iframe.htmlMsgData').contentDocument;
                const script = inner.createElement('script');
                script.textContent = "parent.taken = 'missed'";
                inner.body.append(script);
                inner.body.insertAdjacentHTML('beforeend', '<img src="x:" onerror="parent.taken = 1">');
            }"""
        )
        it.page.wait_for_timeout(500)
        assert taken() == ""
        it.page.locator(".unblockImageLink").first.click()
        deadline = time.monotonic() + PATIENCE / 1000
        while not tracked() and time.monotonic() < deadline:
            it.page.wait_for_timeout(100)
        assert any("pixel.png" in url for url in tracked())

    both(visit)


def test_what_is_attached_is_shown_without_scripts(both, letter, token):
    letter.add_attachment(
        b"<script>document.title = 'taken'; alert(1)</script>Attached.", "text", "html", filename="page.html"
    )
    letter.add_attachment(
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(2)</script></svg>',
        "image",
        "svg+xml",
        filename="image.svg",
    )
    from_stranger(letter)

    def visit(it):
        it.put(letter)
        it.read(token)
        link = it.page.locator("#messageBody a[href*='view_token'], #partlist a[href*='view_token']").first
        asked = dict(parse_qsl(urlsplit(link.get_attribute("href")).query))
        for part in ("2", "3"):
            page = it.page.context.new_page()
            query = urlencode(asked | {"actionID": "view_attach", "id": part})
            if part == "3":  # which a page could be
                with pytest.raises(Error, match="Download is starting"):
                    page.goto(f"{it.url}horde/imp/view.php?{query}")
                page.close()
                continue
            answer = page.goto(f"{it.url}horde/imp/view.php?{query}")
            assert answer.status == 200
            assert answer.headers["content-security-policy"].startswith("sandbox")
            page.wait_for_timeout(300)
            assert "Attached." in answer.text()
            assert page.title() != "taken"
            page.close()
        assert it.said == []

    both(visit)


def test_a_letter_goes_out_with_an_attachment_and_is_answered(both, foreign, letter, token, eventually):
    attached = random.Random(1).randbytes(3 << 20)

    def visit(it):
        mine = f"{token}-{it.site.facts['bed_image']}"
        window = it.compose(STRANGER, f"About {mine}", "Ταχυδρομείο,\n\nall is well.\n")
        window.set_input_files(
            "#upload", {"name": "Größe.bin", "mimeType": "application/octet-stream", "buffer": attached}
        )
        expect(window.locator("#attach_list")).to_contain_text("Größe.bin")
        it.picture("compose", window)
        it.send(window)
        assert eventually(lambda: foreign.received(mine))
        (message,) = foreign.received(mine)
        assert message["From"].addresses[0].addr_spec == it.alice.address
        assert "Ταχυδρομείο," in message.get_body().get_content()
        (part,) = message.iter_attachments()
        assert (part.get_filename(), part.get_content() == attached) == ("Größe.bin", True)
        assert eventually(lambda: it.holds("Sent", mine))
        answer = EmailMessage()
        answer["From"], answer["To"] = STRANGER, it.alice.address
        answer["Subject"], answer["Message-ID"] = f"Re: an answer {mine}", f"<answer-{mine}@example.net>"
        answer["In-Reply-To"] = message["Message-ID"]
        answer.set_content("Here as well.\n")
        foreign.sendmail(answer, STRANGER, it.alice.address)
        assert eventually(lambda: it.holds("INBOX", f"an answer {mine}"))
        it.read(f"an answer {mine}")
        expect(it.page.locator("#messageBody")).to_contain_text("Here as well.")

    both(visit)


def test_attachments_go_up_to_the_limit_and_not_above(both, token, eventually):
    """What is too large is refused in words, and the letter goes without it."""

    def visit(it):
        said = it.site.check_output("cat /etc/horde/imp/conf.php")
        limit = int(re.search(r"'attach_size_limit' => (\d+)", said)[1])
        bob = it.site.accounts["bob"]
        files = {name: Path(it.home.name, name) for name in ("all-of-it.bin", "a-bit-more.bin", "far-too-much.bin")}
        for path, size in zip(files.values(), (limit, 1024, limit + (8 << 20)), strict=True):
            path.write_bytes(random.Random(size).randbytes(size))
        window = it.compose(bob.address, f"Large {token}", "Here are the plans.\n")
        for name, answer in (
            ("far-too-much.bin", "Your attachment was not uploaded. Most likely, the file exceeded the maximum size"),
            ("all-of-it.bin", 'Added "all-of-it.bin" as an attachment.'),
            ("a-bit-more.bin", 'Attached file "a-bit-more.bin" exceeds the attachment size limits.'),
        ):
            window.set_input_files("#upload", files[name])
            expect(window.locator("body")).to_contain_text(answer, timeout=6 * PATIENCE)
            expect(window.locator("#upload_wait")).to_be_hidden()
        it.picture("too-large", window)
        it.send(window)
        assert eventually(lambda: it.site.inbox(bob, token), 120)
        (message,) = it.site.inbox(bob, token)
        (part,) = message.iter_attachments()
        assert (part.get_filename(), part.get_content()) == ("all-of-it.bin", files["all-of-it.bin"].read_bytes())

    both(visit)


THOUSAND = """
import pathlib, sys
for number in range(1000):
    text = f"From: mailbox@example.net\\nSubject: Number {number:04} of {sys.argv[2]}\\n\\nNumber {number}.\\n"
    pathlib.Path(sys.argv[1], "new", f"{1000000000 + number}.{number}.bed").write_text(text)
"""


def test_a_thousand_letters_are_listed(both, token):
    def visit(it):
        with it.site.imap(it.site) as imap:
            imap.login(*it.alice)
            assert imap.create(f"INBOX.Thousand-{token}")[0] == "OK"
            imap.subscribe(f"INBOX.Thousand-{token}")
        mailbox = f"{it.site.facts.get('mail_root', '/srv/vmail')}/{it.site.domain}/alice/Maildir/.Thousand-{token}"
        it.site.check_output("runuser -u vmail -- python3 -c %s %s %s", THOUSAND, mailbox, token)
        it.page.click("#folderopts_link")
        it.page.locator("#ctx_folderopts_reload").click()
        it.go_to(f"Thousand-{token}")
        expect(it.page.locator("#msgSplitPane .vpRow", has_text=token).first).to_be_visible()
        it.page.evaluate("DimpBase.viewport.requestContentRefresh(1)")
        for number in ("0000", "0999"):
            it.page.evaluate(f"DimpBase.viewport.scrollTo({1 if number == '0999' else 1000})")
            expect(it.row(f"Number {number}")).to_be_visible()
            it.picture(f"thousand-{number}")
        it.row("Number 0999").click()
        expect(it.page.locator("#messageBody")).to_contain_text("Number 999.")
        it.go_to("Inbox")

    both(visit)


def test_letters_are_found(both, letter, token):
    from_stranger(letter)
    needle = f"needle{token}"
    letter.replace_header("Subject", f"Hay with a {needle}")

    def visit(it):
        it.put(letter)
        it.look(needle)
        it.page.fill("#horde-search-input", needle)
        it.page.press("#horde-search-input", "Enter")
        rows = it.page.locator("#msgSplitPane .vpRow:visible:not(.horde-table-header)")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(needle)
        it.picture("search")
        it.page.click("#search_close")
        expect(it.page.locator("#searchbar")).to_be_hidden()

    both(visit)


def test_folders_are_made_and_filled(both, letter, token, eventually):
    from_stranger(letter)
    name = f"Shelf-{token[:8]}"

    def visit(it):
        it.put(letter)
        it.page.click("#folderopts_link")
        it.page.locator("#ctx_folderopts_new").click()
        it.page.locator("#RB_window input[type=text], #RB_window input[name=dialog_input]").first.fill(name)
        it.page.locator("#RB_window input[value=OK]").click()
        expect(it.folder(name)).to_be_visible()
        it.look(token)
        it.row(token).locator(".msgSubject").hover()
        it.page.mouse.down()
        target = it.folder(name).locator("a").last.bounding_box()
        it.page.mouse.move(target["x"] + 10, target["y"] + 5, steps=20)
        it.page.mouse.up()
        expect(it.row(token)).to_be_hidden()
        assert eventually(lambda: it.holds(name, token))
        it.go_to(name)
        expect(it.row(token)).to_be_visible()
        it.picture("folders")
        it.go_to("Inbox")

    both(visit)


def test_spam_goes_into_junk_and_back_and_is_learned(both, letter, token, eventually):
    from_stranger(letter)

    def visit(it):
        def learned():
            it.site.run_unit("courier-mail-learn.service")
            return it.site.learned()

        spam, ham = learned()
        it.put(letter)
        it.read(token)
        it.page.click("#button_spam")
        expect(it.row(token)).to_be_hidden()
        assert eventually(lambda: it.holds("Junk", token))
        assert learned() == (spam + 1, ham)
        it.go_to("Spam")
        it.read(token)
        it.picture("junk")
        it.page.click("#button_innocent")
        expect(it.row(token)).to_be_hidden()
        assert eventually(lambda: it.holds("INBOX", token) and not it.holds("Junk", token))
        # It was forgotten as spam.
        assert learned() == (spam, ham + 1)
        it.go_to("Inbox")

    both(visit)


def test_a_forged_page_can_do_nothing(both, token):
    """With the cookies and no token, and from a page of somebody else's that the same browser is on."""
    name = f"Forged-{token[:8]}"

    def visit(it):
        def folders():
            with it.site.imap(it.site) as imap:
                imap.login(*it.alice)
                return str(imap.list()[1])

        action = f"{it.url}horde/services/ajax.php/imp/createMailbox"
        form = {"mbox": name, "create_poll": "0"}
        for forged in (form, form | {"token": "AAAAAAAAAAAAAAAAAAAAAA"}):
            assert it.fetch(action, forged)["status"] < 500
            assert name not in folders()
        # The same with its token does it, so this was asked rightly.
        sent = it.page.evaluate("HordeCore.conf.TOKEN")
        it.fetch(action, form | {"token": sent})
        assert name in folders()
        form["mbox"] = foreign = f"Foreign-{token[:8]}"
        page = it.page.context.new_page()
        fields = "".join(f'<input name="{field}" value="{value}">' for field, value in form.items())
        page.route(
            "https://elsewhere.example.net/",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<form method="post" action="{action}">{fields}</form>'
            ),
        )
        page.goto("https://elsewhere.example.net/")
        with page.expect_request(action) as request, page.expect_navigation():
            page.evaluate("document.forms[0].submit()")
        assert "Horde=" not in request.value.all_headers().get("cookie", "")
        assert foreign not in folders()
        # Nor can it be shown within another page.
        page.goto("https://elsewhere.example.net/")
        page.set_content(f'<iframe src="{it.url}horde/login.php"></iframe>')
        page.wait_for_timeout(1000)
        assert "horde_pass" not in "".join(frame.content() for frame in page.frames[1:])
        page.close()
        # Whoever came without a session was given one, with which this browser is nobody.
        it.log_in(it.alice)
        it.arrived()

    both(visit)


def test_it_is_of_use_on_a_phone(both, letter, token, foreign, eventually):
    from_stranger(letter)

    def visit(it):
        def fits(page):
            return page.evaluate("document.documentElement.scrollWidth <= 390 && innerWidth <= 390")

        it.put(letter)
        page = it.enter(PHONE)
        page.goto(it.url)
        it.picture("phone-login", page)
        assert fits(page)
        it.log_in(it.alice, page)
        it.arrived(page)
        it.look(token, page)
        it.picture("phone-list", page)
        assert fits(page)
        assert it.row(token, page).locator(".msgSubject").bounding_box()["width"] > 150
        it.row(token, page).tap()
        body = page.locator("#messageBody")
        expect(body).to_contain_text("all is well.")
        assert body.bounding_box()["width"] > 300
        expect(body).to_be_in_viewport()
        it.picture("phone-letter", page)
        it.folder("Sent", page).locator("a").last.tap()
        expect(page.locator("#mailboxName")).to_contain_text("Sent")
        mine = f"{token}-{it.site.facts['bed_image']}"
        window = it.compose(STRANGER, f"From a phone {mine}", "On my way.\n", page)
        it.picture("phone-compose", window)
        assert fits(window)
        it.send(window)
        assert eventually(lambda: foreign.received(mine))
        page.context.close()

    both(visit)


def test_whoever_logs_out_is_out(both):
    def visit(it):
        page = it.enter()
        it.log_in(it.alice, page)
        it.arrived(page)
        cookies = page.context.cookies()
        assert {"Horde"} <= {cookie["name"] for cookie in cookies}
        assert all(
            cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["expires"] == -1
            for cookie in cookies
        ), cookies
        page.click("#horde-logout a")
        expect(page.locator("#horde_pass")).to_be_visible()
        it.picture("out", page)
        page.context.add_cookies(cookies)
        page.goto(f"{it.url}horde/imp/dynamic.php?page=mailbox")
        expect(page.locator("#horde_pass")).to_be_visible()
        page.context.close()

    both(visit)


def test_browsers_are_told_what_not_to_do(both):
    def visit(it):
        for path in ("horde/login.php", "horde/imp/dynamic.php?page=mailbox"):
            headers = it.fetch(f"{it.url}{path}")["headers"]
            assert headers["strict-transport-security"] == "max-age=31536000"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "SAMEORIGIN"
            assert "object-src 'none'" in headers["content-security-policy"]
            assert "x-powered-by" not in headers
            assert headers["server"] == "nginx"
        for path in (
            "admin/",
            "rpc.php",
            "config/conf.php",
            "imp/config/backends.php",
            "imp/minimal.php",
            "test.php",
            "js/.htaccess",
        ):
            assert it.fetch(f"{it.url}horde/{path}")["status"] == 404, path

    both(visit)


# How a mail server can be unable to say whether a password is right, and how it is again.
AWAY = {
    "its accounts": (
        "mv /run/courier/authdaemon/socket /run/courier/authdaemon/socket.away",
        "mv /run/courier/authdaemon/socket.away /run/courier/authdaemon/socket",
    ),
    "itself": ("systemctl stop courier-imap-ssl", "systemctl start courier-imap-ssl"),
}


def test_who_guesses_passwords_is_kept_out_but_nobody_while_none_can_be_right(both, foreign, eventually):
    """From an address that nobody else has, which fail2ban remembers."""

    def visit(it):
        site, address = (
            it.site,
            f"{it.site.facts['bed_ipv6_network'].partition('/')[0]}{random.randrange(1, 65536):x}:9",
        )
        foreign.check_output("ip address replace %s/64 dev eth0 nodad", address)

        def door(patience):
            return foreign.inside(
                lambda: socket.create_connection((site.addresses["ipv6"], 443), patience, (address, 0))
            )

        def guess(number):
            with site.trusting(site.check_output("cat /etc/ssl/mail/mail.crt"), it.name).wrap_socket(
                door(60)
            ) as secured:
                client = http.client.HTTPConnection(it.name)
                client.sock = secured
                form = {"app": "", "login_post": "1", "horde_user": f"bob{number}@{site.domain}", "horde_pass": "wrong"}
                client.request(
                    "POST", "/horde/login.php", urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
                )
                return client.getresponse().status

        def kept_out():
            try:
                door(1).close()
            except TimeoutError:
                return True
            return False

        def logged(what):
            return site.check_output("journalctl --no-pager -o cat -t HORDE").count(what)

        def counted():
            return site.check_output("cat /var/log/fail2ban.log").count(f"[courier-horde] Found {address} ")

        def guess_nine():
            with ThreadPoolExecutor(5) as pool:
                assert set(pool.map(guess, range(9))) == {200}

        try:
            for away, back in AWAY.values():
                site.check_output(away)
                try:
                    guess_nine()
                finally:
                    site.check_output(back)
            assert eventually(lambda: logged(f"to horde ({address})") == 18)
            guess_nine()
            # It reads in order: by now it has seen those before, too.
            assert eventually(counted)
            assert eventually(lambda: counted() == 9)
            assert not kept_out()
            with suppress(OSError):  # the ban may come before the answer
                guess(9)
            assert eventually(kept_out)
            assert address in site.check_output("fail2ban-client get courier-horde banip").split()
        finally:
            foreign.run("ip address del %s/64 dev eth0", address)
            site.run("fail2ban-client unban %s", address)

    both(visit)


class TestTwoServersAndPostgreSQL:
    """Either site's webmail is for people of both, and what they set is kept at one PostgreSQL server."""

    DISPLAY = "horde/services/prefs.php?app=imp&group=mboxdisplay"
    GIVEN: ClassVar = {
        "horde_database": "{{ bed_webmail_database }}",
        "horde_backends": [
            {"name": "com", "host": "mx1.example.com", "domain": "example.com"},
            {"name": "org", "title": "The Other Site", "host": "mx1.example.org", "domain": "example.org"},
            {
                "name": "rude",
                "host": "mx1.example.com",
                "domain": "example.com",
                "smtp_host": "rude.faults.example.net",
                "smtp_port": 10120,
            },
        ],
    }

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, host_named):
        return host_named("acme.example.net")

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def moved(cls, webmails, play):
        def go(**variables):
            results = play(
                "courier.mail.people", "--tags=horde", "--limit=full", f"--extra-vars={json.dumps(variables)}"
            )
            assert not results.failures
            assert "correct horse" not in str(results)
            return [result for result in results if result.outcome == "changed"]

        assert go(**cls.GIVEN)
        yield go
        go()

    def test_people_of_the_other_site_read_and_write_here(self, both, sites, foreign, token, eventually):
        def visit(it):
            (other,) = [site for site in sites if site.domain != it.site.domain]
            page = it.enter()
            it.log_in(other.accounts["alice"], page)
            it.arrived(page)
            mine = f"{token}-{it.site.facts['bed_image']}"
            it.send(it.compose(STRANGER, f"About {mine}", "From afar.\n", page))
            page.context.close()
            assert eventually(lambda: foreign.received(mine))
            (message,) = foreign.received(mine)
            assert message["From"].addresses[0].addr_spec == other.accounts["alice"].address
            assert f" by {other.name} " in " ".join(message.get_all("Received")).replace("\n", " ")

        both(visit)

    def test_a_server_that_hangs_up_during_a_login_is_told_of_and_the_letter_stays(self, both, sites, token):
        """It offers two ways to log in, and is gone before the second."""
        (com,) = [site for site in sites if site.domain == "example.com"]

        def visit(it):
            page = it.enter()
            it.log_in(com.accounts["alice"], page, "rude")
            it.arrived(page)
            window = it.compose(STRANGER, f"About {token}", "Please hold the line.\n", page)
            with window.expect_response("**/sendMessage*") as answer:
                window.click("#send_button")
            # Of a PHP that died, the page says the second by itself.
            said = re.compile("Server closed the connection unexpectedly|Error when communicating with the server")
            assert said.search(answer.value.text())
            expect(window.locator("body")).to_contain_text(said)
            it.picture("hung-up", window)
            expect(window.locator("#composeMessage")).to_have_value("Please hold the line.\n")
            page.context.close()

        both(visit)

    def test_what_people_set_is_kept_there(self, both, server):
        def visit(it):
            page = it.enter()
            it.log_in(it.alice, page)
            it.arrived(page)
            page.goto(f"{it.url}{self.DISPLAY}")
            it.picture("settings", page)
            page.select_option("#sortby", label="Subject")
            page.locator("input[type=submit].horde-default").click()
            expect(page.locator("#sortby option:checked")).to_have_text("Subject")
            page.context.close()
            said = server.check_output(
                "runuser -u postgres -- psql -At horde -c %s",
                f"SELECT pref_name FROM horde_prefs WHERE pref_uid = '{it.alice.address}'",
            )
            assert "sortby" in said.split()

        both(visit)

    def test_another_run_has_nothing_to_do(self, moved):
        assert not moved(**self.GIVEN)

    def test_one_host_at_a_time_brings_it_up_to_date(self, webmails, server, eventually):
        def ask(query):
            return server.check_output("runuser -u postgres -- psql -At horde -c %s", query)

        server.check_output(
            "systemd-run --collect --unit=bed-alone runuser -u postgres -- psql horde -c %s",
            "SELECT pg_advisory_lock(hashtext('courier.mail.horde')), pg_sleep(120)",
        )
        assert eventually(lambda: ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == "1")
        for it in webmails:
            it.site.check_output("systemctl --no-block restart courier-horde")
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        assert eventually(lambda: ask(waiting) == str(len(webmails)))
        state = "systemctl show --property=ActiveState --value courier-horde"
        assert {it.site.check_output(state) for it in webmails} == {"activating"}
        ask("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert eventually(lambda: {it.site.check_output(state) for it in webmails} == {"active"})

    def test_while_it_is_away_people_read_their_mail_without(self, both, server):
        def arrive(it):
            page = it.enter()
            it.log_in(it.alice, page)
            it.arrived(page)
            return page

        def settings(it):
            page = arrive(it)
            page.goto(f"{it.url}{self.DISPLAY}")
            expect(page.locator("#sortby option:checked")).to_have_text("Subject")
            page.context.close()

        server.check_output("systemctl stop postgresql@17-main")
        try:
            both(lambda it: arrive(it).context.close())
        finally:
            server.check_output("systemctl start postgresql@17-main")
        both(settings)


def test_php_finds_nothing_to_complain_of(both):
    said = "journalctl --no-pager -o cat -t HORDE -t courier-horde"
    both(lambda it: it.site.check_output(f"! {said} | grep -e PHP -e 'Stack trace'"))
