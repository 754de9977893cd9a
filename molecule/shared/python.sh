#!/usr/bin/env bash
# The Python environment in .venv and the collections tree in .cache/collections, both as requirements-dev.txt pins them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

wanted=$(cat requirements-dev.txt "${BASH_SOURCE[0]}" | sha256sum)
[[ -f .venv/made-from && $(<.venv/made-from) == "$wanted" && -e .cache/collections/ansible_collections/community ]] && exit 0

# The Makefile puts the environment first, and the one to be made anew cannot make itself.
PATH=${PATH//"$PWD/.venv/bin:"/}
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
# Debian's own is built with profiles of what it runs; one that pyenv builds by default takes a fifth longer for the same.
python=${PYTHON:-/usr/bin/python3}
[[ -n ${PYTHON:-} ]] || new_enough "$python" || python=python3
if ! new_enough "$python"; then
  echo "Python 3.11 or newer is needed; $python is $("$python" --version)." >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [[ $EUID -ne 0 ]]; then
    echo "$python has no module venv. Install the package python3-venv, run this as root, or name another in PYTHON." >&2
    exit 1
  fi
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends python3-venv >/dev/null
fi
echo "Making the Python environment in .venv" >&2
rm -rf .venv .cache/collections
"$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt

# community.docker makes and reaches the containers of the bed. Galaxy is often out of reach of build machines, and the
# collection has no wheel of its own, so it comes out of the wheel of the "ansible" package, with what it depends on.
echo "Making the collections tree in .cache/collections" >&2
.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --dest .cache/wheels 'ansible==12.3.0'
# What the bed's hosts run and no package of Debian has; they reach no index.
.venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary courier-pythonfilter --dest .cache/wheels \
  'courier-pythonfilter==3.0.6'
.venv/bin/python - <<'EOF'
import pathlib
import zipfile

wanted = ("community/docker/", "community/library_inventory_filtering_v1/")
root = "ansible_collections/"
wheel = zipfile.ZipFile(next(pathlib.Path(".cache/wheels").glob("ansible-*.whl")))
for member in wheel.namelist():
    if member.startswith(tuple(root + name for name in wanted)):
        wheel.extract(member, ".cache/collections")
EOF
# The checkout itself, under the name that playbooks call it by.
mkdir -p .cache/collections/ansible_collections/courier
ln -s "$PWD" .cache/collections/ansible_collections/courier/mail
echo "$wanted" >.venv/made-from
