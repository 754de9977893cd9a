"""The dashboard and the alert rules know the metrics that there are, and Prometheus understands them."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from plugins.module_utils._watch import host, metrics
from plugins.module_utils._watch._found import Sample
from plugins.module_utils._watch._metrics_table import METRICS
from tests.unit.watched import SEEN

ROOT = Path(__file__).parents[3]
FILES = ROOT / "roles/monitoring/files"
NAME = re.compile(r"\bcourier_mail_[a-z_]+")
RULES = [rule for group in yaml.safe_load((FILES / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((FILES / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
# What others put in the place of Grafana's variables.
VARIABLES = {"$__rate_interval": "5m", '"$instance"': '".*"'}


def named(text):
    return {metrics.family(name) for name in NAME.findall(text)}


def plain(expression):
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def test_the_dashboard_shows_every_metric_and_no_other():
    assert {name for expression in EXPRESSIONS for name in named(expression)} == set(METRICS)


def test_the_rules_know_no_other_metric():
    assert {name for rule in RULES for name in named(rule["expr"])} - set(METRICS) == set()


def test_the_code_counts_every_metric_and_no_other():
    """A name that the code does not have would stay empty for ever; one that the table does not have has no meaning."""
    package = ROOT / "plugins/module_utils/_watch"
    texts = "".join(path.read_text() for path in sorted(package.glob("*.py")) if path.name != "_metrics_table.py")
    code = set(re.findall(r'f?"(courier_mail_[a-z_{}]+)"', texts)) - {"courier_mail_watch", "courier_mail_header"}
    patterns = [re.sub(r"{[a-z]+}", "[a-z]+", name) for name in code]
    unknown = [name for name in code if "{" not in name and name not in METRICS]
    uncounted = [name for name in METRICS if not any(re.fullmatch(pattern, name) for pattern in patterns)]
    assert (unknown, uncounted) == ([], [])


def test_names_say_what_they_are():
    for name, metric in METRICS.items():
        assert metric.kind in ("gauge", "counter", "histogram")
        assert (metric.kind == "counter") == name.endswith("_total"), name
        assert metric.means[0].isupper()
        assert not metric.means.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule):
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description"}
    # A sentence more than the summary has.
    assert len(rule["annotations"]["description"]) > 40


def test_alerts_have_names_of_their_own():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)


def test_the_dashboard_is_one_that_can_be_imported():
    assert (DASHBOARD["uid"], [one["name"] for one in DASHBOARD["templating"]["list"]]) == (
        "courier-mail",
        ["datasource", "instance"],
    )
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in DASHBOARD["panels"]]
    for number, (x, y, w, h) in enumerate(places):
        assert x + w <= 24
        for left, top, width, height in places[number + 1 :]:
            assert x >= left + width or left >= x + w or y >= top + height or top >= y + h


def test_promtool_takes_the_rules():
    done = subprocess.run(
        ["promtool", "check", "rules", FILES / "alerts.yml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["monitoring_alerts.yml", "monitoring_alerts_slow.yml"])
def test_the_rules_alert_when_they_must(name):
    command = ["promtool", "test", "rules", Path(__file__).parent / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a host writes."""
    path = tmp_path_factory.mktemp("written") / "courier_mail.prom"
    local = {"direction": "local"}
    histogram = [
        *(
            Sample("courier_mail_delivery_seconds_bucket", 1, {"direction": "local", "le": le})
            for le in ("10", "2", "+Inf")
        ),
        Sample("courier_mail_delivery_seconds_sum", 1.5, local),
        Sample("courier_mail_delivery_seconds_count", 1, local),
    ]
    strange = Sample("courier_mail_bans", 1, {"jail": 'x"\n\\y'})
    counter = Sample("courier_mail_received_total", 3, {"direction": "foreign"})
    metrics.write(str(path), [*host.counted(SEEN), *histogram, strange, counter], time.time())
    return path


def test_promtool_takes_what_is_written(written):
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=written.read_bytes(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    text = written.read_text()
    assert "# TYPE courier_mail_received_total counter\n" in text
    assert "# TYPE courier_mail_delivery_seconds histogram\n" in text
    assert 'courier_mail_bans{jail="x\\"?\\\\y"} 1.0\n' in text
    assert text.index('le="2"') < text.index('le="10"') < text.index('le="+Inf"')


@pytest.fixture(scope="module")
def prometheus(written, tmp_path_factory):
    """A real Prometheus that collects this and has the rules. Gives a function that asks its API."""
    directory = tmp_path_factory.mktemp("prometheus")
    handler = functools.partial(_Quiet, directory=str(written.parent))
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scrape = {
        "job_name": "node",
        "metrics_path": "/courier_mail.prom",
        "static_configs": [{"targets": [f"127.0.0.1:{files.server_port}"]}],
    }
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FILES / "alerts.yml")],
        "scrape_configs": [scrape],
    }
    (directory / "prometheus.yml").write_text(json.dumps(settings))
    command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    program = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(path, **given):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def collected():
        return ask("query", query="courier_mail_written_timestamp_seconds")["result"]

    try:
        _eventually(collected)
        yield ask
    finally:
        program.terminate()
        program.wait(30)
        files.shutdown()
        files.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def guess_type(self, _path):
        return "text/plain; version=0.0.4"


def _eventually(check, seconds=60.0):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline, "it did not come in time"
        threading.Event().wait(0.2)


def test_a_real_prometheus_runs_every_rule(prometheus):
    def evaluated():
        rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    assert {rule["name"]: rule.get("lastError", "") for rule in _eventually(evaluated)} == {
        rule["alert"]: "" for rule in RULES
    }


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS)))
def test_a_real_prometheus_answers_what_the_dashboard_asks(prometheus, expression):
    # A mistake is answered with an error, which raises.
    prometheus("query", query=plain(expression))


def test_a_real_prometheus_has_what_was_written(prometheus):
    found = prometheus("query", query='courier_mail_queue_messages{state="deferred"}')["result"]
    assert [one["value"][1] for one in found] == ["2"]


def test_the_tools_are_there():
    assert [shutil.which(name) is not None for name in ("promtool", "prometheus")] == [True, True]
