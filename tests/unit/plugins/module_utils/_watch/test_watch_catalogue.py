from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plugins.module_utils._watch import _catalogue
from plugins.module_utils._watch._settings import SettingsError

PACKAGE = Path(_catalogue.__file__).parent


def test_the_host_gets_all_files_of_the_package():
    assert _catalogue.sources() == {path.name: path.read_text() for path in sorted(PACKAGE.glob("*.py"))}


def test_the_package_runs_from_the_files_alone(tmp_path):
    package = tmp_path / "courier_mail_watch"
    package.mkdir()
    for name, text in _catalogue.sources().items():
        (package / name).write_text(text)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import courier_mail_watch._catalogue"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


REFUSED = {
    "a part that is none": ("alarms", {}, {}, "there is no part alarms of the watch; there are "),
    "a setting that is none": ("alarm", {"mails": []}, {}, "alarm: there is no setting mails; did you mean mail?"),
    "a secret of the wrong type": ("alarm", {}, {"webhook_keys": {"a": 12345}}, "alarm: webhook_keys is neither a"),
}


@pytest.mark.parametrize(("part", "settings", "secrets", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(part, settings, secrets, sentence):
    with pytest.raises(SettingsError) as refused:
        _catalogue.check(part, settings, secrets)
    assert str(refused.value).startswith(sentence)
    assert "12345" not in str(refused.value)
