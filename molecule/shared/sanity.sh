#!/usr/bin/env bash
# Run `ansible-test sanity` on the files of this checkout. It goes by real paths, so it works on a copy at the path
# ansible_collections/courier/mail.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

copy=.cache/sanity/ansible_collections/courier/mail
rm -rf "$copy"
mkdir -p "$copy"
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents --no-dereference --target-directory "$copy"
git -C "$copy" init --quiet
git -C "$copy" add --all

# ansible-test downloads get-pip to make its environments. Python brings a pip of its own; with this file in
# ansible-test's cache, that one is used and nothing but the package index is needed.
cache=~/.ansible/test/cache
for version in $(grep -ho 'get_pip_[0-9_]*\.py' -r .venv/lib/python3*/site-packages/ansible_test/_util/target/setup | sort -u) get_pip_24_2.py; do
  [[ -e $cache/$version ]] && continue
  mkdir -p "$cache"
  cat >"$cache/$version" <<'EOF'
import ensurepip
import os
import subprocess
import sys

environment = dict(os.environ)
ensurepip.bootstrap(default_pip=True)
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted], env=environment))
EOF
done

python=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$copy"
ansible-test sanity --local --python "$python" --color no
