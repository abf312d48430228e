#!/bin/sh
# Gives a Debian or Ubuntu what `make run` or `make test` needs: packages through apt, and a Python
# environment in .venv. Quick when everything is there; safe to repeat. Usage: setup.sh run|test
set -eu
cd "$(dirname "$0")/.."

goal=${1:-run}
case $goal in
run) extra="" wanted="" ;;
test) extra="[dev]" wanted="cc" ;;
*)
    echo "usage: $0 run|test" >&2
    exit 2
    ;;
esac

stamp=.venv/ready-$goal
inputs=$(cat pyproject.toml "$0" | cksum)

# "clang version 19.1.7" and "LLD 19.1.7": 19.
major() {
    "$1" --version | sed -nE 's/.*(clang version|LLD) ([0-9]+).*/\2/p' | head -n 1
}

# A clang from 16 on with an lld of its own version, or a cross gcc: what find.py looks for.
have_compiler() {
    for n in 30 29 28 27 26 25 24 23 22 21 20 19 18 17 16; do
        if command -v "clang-$n" && command -v "ld.lld-$n"; then return 0; fi
    done >/dev/null
    if command -v clang && command -v ld.lld; then
        n=$(major clang)
        if [ "${n:-0}" -ge 16 ] && [ "$n" = "$(major ld.lld)" ]; then return 0; fi
    fi >/dev/null
    command -v aarch64-linux-gnu-gcc >/dev/null || command -v aarch64-none-elf-gcc >/dev/null
}

have_python() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

have_native_compiler() {
    command -v cc >/dev/null && echo 'int main(void) { return 0; }' |
        cc -x c -include stdio.h -o /dev/null - 2>/dev/null
}

# The newest clang-N, 16 at least, that this distribution offers together with lld-N.
newest_clang() {
    for n in $(apt-cache pkgnames clang- | sed -n 's/^clang-\([0-9][0-9]*\)$/\1/p' | sort -rn); do
        if [ "$n" -ge 16 ] && offered "clang-$n" && offered "lld-$n"; then
            echo "clang-$n lld-$n"
            return
        fi
    done
    echo "gcc-aarch64-linux-gnu"
}

offered() {
    apt-cache policy "$1" | grep -q 'Candidate: [0-9]'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Sets $packages to what is missing. Before `apt-get update` the names of clang may be unknown.
missing_packages() {
    packages=""
    have_python || packages="python3 python3-venv"
    have_compiler || packages="$packages $(newest_clang)"
    command -v qemu-system-aarch64 >/dev/null || packages="$packages qemu-system-arm"
    if [ "$wanted" = cc ]; then have_native_compiler || packages="$packages gcc libc6-dev"; fi
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "error: missing: $packages" >&2
        echo "  hint: install them with this system's package manager (names are Debian's)" >&2
        exit 2
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "error: packages are missing, and there is no sudo to install them with" >&2
        echo "  hint: as root: apt-get update && apt-get install --no-install-recommends$(printf ' %s' $packages)" >&2
        exit 2
    fi
    as_root apt-get update -q
    missing_packages # the lists are fresh now
    echo "installing:" $packages >&2
    # shellcheck disable=SC2086 # a list of words
    if ! as_root apt-get install -q -y --no-install-recommends $packages; then
        echo "error: apt-get could not install $packages" >&2
        echo "  hint: Debian 12, Ubuntu 23.04 or newer have them all" >&2
        exit 2
    fi
    if ! have_python; then
        echo "error: this system's python3 is $(python3 --version 2>&1), 3.11 is needed" >&2
        exit 2
    fi
}

# What makes and checks card images, and the loader of boards with U-Boot: tests that need one of
# these skip without it, so that nothing here asks for a password or stops anything.
useful_packages() {
    command -v mformat >/dev/null || echo mtools
    PATH=$PATH:/usr/sbin:/sbin command -v fsck.fat >/dev/null || echo dosfstools
    [ -e /usr/lib/u-boot/qemu_arm64/u-boot.bin ] || echo u-boot-qemu
}

install_useful_packages() {
    command -v apt-get >/dev/null || return 0
    quietly=""
    if [ "$(id -u)" != 0 ]; then quietly="sudo -n env DEBIAN_FRONTEND=noninteractive"; fi
    for package in $(useful_packages); do
        offered "$package" || $quietly apt-get update -q || true
        if ! offered "$package" ||
            ! $quietly apt-get install -q -y --no-install-recommends "$package"; then
            echo "note: $package is not installed; tests that need it will skip" >&2
        fi
    done
}

export DEBIAN_FRONTEND=noninteractive
packages=""
if ! { [ "$wanted" != cc ] || have_native_compiler; } || ! have_compiler ||
    ! command -v qemu-system-aarch64 >/dev/null || { [ ! -e "$stamp" ] && ! have_python; }; then
    missing_packages
    install_packages
fi

if [ "$(cat "$stamp" 2>/dev/null)" != "$inputs" ] || [ ! -x .venv/bin/python ]; then
    if [ "$wanted" = cc ]; then install_useful_packages; fi
    echo "setting up .venv" >&2
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".$extra" || {
        echo "error: pip could not install the Python packages of pyproject.toml" >&2
        echo "  hint: .venv/bin/python -m pip install -e '.$extra' shows why" >&2
        exit 2
    }
    echo "$inputs" >"$stamp"
fi
