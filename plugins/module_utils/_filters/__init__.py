# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of courier.mail: what the role pythonfilter puts on a host as the package courier_mail.

pythonfilter imports it as one of its modules. Only the standard library is needed, on the host and on the controller,
where the same code refuses wrong settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ._chain import Chain
from ._configuration import read

_judge: Callable[[str, Sequence[str]], str]


def init_filter() -> None:
    """Make the filters that pythonfilter-modules.conf names."""
    global _judge  # noqa: PLW0603 -- pythonfilter's modules have no other place
    order, when_down, settings = read()
    _judge = Chain(order, when_down, settings)


def do_filter(text: str, controls: Sequence[str]) -> str:
    """Judge a message: nothing to let it in, or an SMTP reply."""
    return _judge(text, controls)
