"""Ham as people send it, made up: letters of 2 to 25 kB, most of them plain or with HTML beside, some with files.

The same numbers give the same letters on every machine, but for dates and Message-IDs.
"""

from __future__ import annotations

import io
import random
import textwrap
import zipfile
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime

SENDER = "mailbox@example.net"
_WORDS = (
    "about after again agreed all also answer any appointment archive arrived ask attached autumn back before begin "
    "better between boiler book both bring budget build bus but cable call can carpet chair change choir city clear "
    "coffee colour come comment concert contract corner could country course dates day deliver different door draft "
    "drawing early eight either engine enough evening every fence field figures film final find first five floor for "
    "forty found four friday from garden give good green group half hall have heard hope hour house how idea if inside "
    "into invoice it just keep key kitchen know ladder last late lead left letter library list little long lunch many "
    "map march matter measure meeting message might minutes monday month more morning most much museum need never new "
    "next nine note now number of off office often old on once only open order other our out over page paint paper "
    "part past people perhaps plan please point printer project question quiet rain read ready really record report "
    "room roof round saturday school second see send september seven she shelf should show side since six small some "
    "something soon station still street summer sunday table take team tell ten than thank that the their them then "
    "there these they thing think third this those thought three thursday time to today together told tomorrow too "
    "train tree try tuesday twelve two under until up usual version visit wait walk wall want water way we wednesday "
    "week well were what when where which while will window winter with without work would write year yes you your"
)
_NAMES = "Adrian Beatrice Conrad Dorothea Edmund Felicia Gregor Hedwig Ignatius Josepha"


def letters(count: int, run: str) -> list[bytes]:
    """So many letters. No two have the same Message-ID, and no two runs either."""
    return [_letter(number, run).as_bytes(policy=SMTP) for number in range(count)]


def with_file(name: str, content: bytes, run: str) -> bytes:
    """A letter with one file."""
    message = _letter(0, run)
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes(policy=SMTP)


def _letter(number: int, run: str) -> EmailMessage:
    chance = random.Random(number)
    name = chance.choice(_NAMES.split())
    paragraphs = [_sentences(chance, chance.randint(3, 9)) for _paragraph in range(chance.randint(3, 16))]
    message = EmailMessage()
    message["From"] = f"{name} Example <{SENDER}>"
    message["To"] = "Alice Example <alice@example.com>"
    message["Subject"] = _sentence(chance)[:60].rstrip(" .")
    message["Date"] = localtime()
    message["Message-ID"] = f"<{chance.getrandbits(96):024x}.{run}@desk.example.net>"
    if number % 3 == 0:
        message["In-Reply-To"] = message["References"] = f"<{chance.getrandbits(96):024x}@mail.example.com>"
        paragraphs[1:1] = [textwrap.fill(paragraphs[0], 70, initial_indent="> ", subsequent_indent="> ")]
    text = "\n\n".join(p if p.startswith(">") else textwrap.fill(p, 72) for p in paragraphs)
    message.set_content(f"Dear Alice,\n\n{text}\n\nKind regards\n{name}\n", cte="8bit")
    if number % 2:
        body = "".join(f"<p style='margin: 0 0 1em'>{p}</p>\n" for p in paragraphs if not p.startswith(">"))
        page = f"<html><head><title>{message['Subject']}</title></head><body>\n<p>Dear Alice,</p>\n{body}"
        page += f"<p>Kind regards<br>{name}</p>\n</body></html>\n"
        message.add_alternative(page, subtype="html", cte="quoted-printable")
    if number % 5 == 2:
        # What looks like a compressed document: nothing in it repeats.
        document = b"%PDF-1.7\n" + chance.randbytes(chance.randint(1500, 7000))
        message.add_attachment(document, maintype="application", subtype="pdf", filename=f"letter-{number}.pdf")
    if number % 10 == 4:
        message.add_attachment(_archive(chance), maintype="application", subtype="zip", filename=f"notes-{number}.zip")
    return message


def _sentences(chance: random.Random, count: int) -> str:
    return " ".join(_sentence(chance) for _sentence_number in range(count))


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS.split(), k=chance.randint(5, 16))).capitalize() + "."


def _archive(chance: random.Random) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            entry = zipfile.ZipInfo(f"notes/{number}.txt", (2026, 11, 2, 8, 0, 0))
            archive.writestr(entry, _sentences(chance, 40))
    return packed.getvalue()
