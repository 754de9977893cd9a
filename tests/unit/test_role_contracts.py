"""What each role promises to its reader, whichever role it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in Path(__file__).parents[2].glob("roles/*/tasks/main.yml"))
EXPRESSION = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)
FACT = re.compile(r"\bmail_[a-z]\w*")
# Keys of a task whose values are expressions without braces.
CONDITIONS = {"when", "that", "until", "changed_when", "failed_when", "holds", "var"}
PROSE = {".md"}

READS = {
    "an expression": ("- debug: {msg: 'for {{ mail_domains | join }}'}", {"mail_domains"}),
    "an expression over several lines": ("x: |\n  {{ [1]\n     + mail_accounts }}", {"mail_accounts"}),
    "an expression in a list": ("x: [a, {b: '{{ mail_uid }}'}]", {"mail_uid"}),
    "a statement": ("x: '{% for one in mail_aliases %}{% endfor %}'", {"mail_aliases"}),
    "a condition": ("- meta: noop\n  when: mail_contact is defined", {"mail_contact"}),
    "several conditions": ("- meta: noop\n  when: [a, mail_root == b]", {"mail_root"}),
    "a fact by its name": ("x: \"{{ hostvars['mx1']['mail_hostname'] }}\"", {"mail_hostname"}),
    "no variable of a role": ("x: '{{ courier_mail_x + mailhost_root + __mail_x }}'", set()),
    "no option of a module": ("- courier.mail.userdb: {mail_root: '{{ courier_auth_root }}'}", set()),
    "no sentence": ("msg: mail_hostname is '{{ mailhost_hostname }}', which is no name", set()),
    "no comment": ("x: 1 # {{ mail_domains }}", set()),
    "no name of a file": ("import_tasks: mail_users.yml", set()),
}


def load(path):
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def variables(directory):
    """The variables of every file in a directory of defaults or vars."""
    return {name for path in sorted(directory.rglob("*.yml")) for name in load(path) or {}}


def options(role):
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def every_option(specs):
    """Each option, and those within, by a name that leads there."""
    for name, spec in specs.items():
        yield name, spec
        for below, option in every_option(spec.get("options", {})):
            yield f"{name}.{below}", option


def expressions(node, *, bare=False):
    """Every expression in a value of YAML."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from expressions(value, bare=key in CONDITIONS)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item, bare=bare)
    elif isinstance(node, str):
        yield from [node] if bare else EXPRESSION.findall(node)


def facts_read(text, *, is_yaml=True):
    parts = expressions(yaml.safe_load(text)) if is_yaml else EXPRESSION.findall(text)
    return {fact for part in parts for fact in FACT.findall(part)}


@pytest.fixture(params=ROLES, ids=[role.name for role in ROLES])
def role(request):
    return request.param


def test_there_are_roles():
    assert {"certificates", "courier_auth", "courier_imap", "courier_mta", "mailhost"} <= {one.name for one in ROLES}


def test_what_has_a_default_has_a_type(role):
    specs = options(role)
    assert variables(role / "defaults") == {name for name, spec in specs.items() if not spec.get("required")}
    assert [name for name, spec in every_option(specs) if "type" not in spec] == []


def test_a_value_is_written_only_once(role):
    assert [name for name, spec in every_option(options(role)) if "default" in spec] == []


def test_every_option_says_what_it_is_for(role):
    assert [name for name, spec in every_option(options(role)) if not spec.get("description")] == []


def test_its_names_begin_with_its_own(role):
    assert [name for name in variables(role / "defaults") if not name.startswith(f"{role.name}_")] == []
    assert [name for name in options(role) if not name.startswith(f"{role.name}_")] == []


def test_what_it_knows_itself_is_internal(role):
    assert [name for name in variables(role / "vars") if not name.startswith(f"__{role.name}_")] == []


def test_it_reads_the_facts_of_the_site_in_its_defaults_only(role):
    elsewhere = {
        str(path.relative_to(role)): facts
        for path in sorted(role.rglob("*"))
        if path.is_file() and path.suffix not in PROSE and role / "defaults" not in path.parents
        if (facts := facts_read(path.read_text(), is_yaml=path.suffix in (".yml", ".yaml")))
    }
    assert elsewhere == {}


@pytest.mark.parametrize("name", ["README.md", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml"])
def test_it_has_the_files_that_readers_look_for(role, name):
    assert (role / name).read_text().strip()


def test_its_readme_tells_what_readers_ask(role):
    readme = (role / "README.md").read_text()
    assert readme.startswith(f"# {role.name}\n\n**Why.** ")
    assert re.findall("^## (.*)$", readme, re.MULTILINE)[:3] == ["Smallest inventory", "Leaves alone", "See it work"]


@pytest.mark.parametrize(("text", "facts"), READS.values(), ids=READS)
def test_a_fact_is_read_by(text, facts):
    assert facts_read(text) == facts
