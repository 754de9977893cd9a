# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that side_effect.yml opened offer what Mozilla's guideline says, as those do that were open before."""

from __future__ import annotations

import pytest

from tests.tls_matrix import CERTIFICATES, measure, wanted


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("port", [143, 995])
def test_offers_what_the_guideline_says(site, stranger, port, certificate):
    assert measure(site, stranger, port, certificate) == wanted(port, certificate)
