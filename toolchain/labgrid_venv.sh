#!/bin/sh
# A Python environment for the tests of harness/labgrid. labgrid brings pyserial-labgrid, which takes
# the place of pyserial (both are the module `serial`), so that the two cannot share an environment:
# this one holds labgrid and what only that needs, and sees all else in .venv. Usage:
# labgrid_venv.sh DIR; then DIR/bin/python -m pytest tests/harness/labgrid
set -eu

[ $# = 1 ] || {
    echo "usage: $0 DIR" >&2
    exit 2
}
root=$(dirname "$0")/..
python=$root/.venv/bin/python

if "$1/bin/python" -c "import labgrid, pytest" 2>/dev/null; then exit 0; fi
"$python" -m venv --clear "$1"
# A .pth file comes after the environment's own packages: of two `serial` labgrid's is found.
here=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$here/beside.pth"
requirement=$(sed -n 's/^labgrid = \["\(.*\)"\].*/\1/p' "$root/pyproject.toml")
"$1/bin/python" -m pip install -q --disable-pip-version-check "$requirement" >&2
