#!/bin/sh
# A newer QEMU beside the system's own, in a directory of its own: nothing is installed, no source of
# packages is added, nothing outside the directory changes. For Debian 12, whose QEMU 7.2 has no
# machine raspi4b; QEMU 10 of its bookworm-backports has. Needs no root. Usage: newer_qemu.sh DIR;
# then HARNESS_QEMU_PATH=DIR (harness/emulator.py) lets the harness find that machine there.
set -eu

[ $# = 1 ] || {
    echo "usage: $0 DIR" >&2
    exit 2
}
mkdir -p "$1"
dir=$(cd "$1" && pwd)
program=qemu-system-aarch64
mirror=http://deb.debian.org/debian # apt's own proxy settings hold
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

has_raspi4b() {
    "$1" -M help 2>/dev/null | grep -q '^raspi4b '
}

fail() {
    echo "error: $1" >&2
    echo "  hint: $2" >&2
    exit 2
}

if has_raspi4b "$program" || has_raspi4b "$dir/$program"; then exit 0; fi
# shellcheck disable=SC1091 # every Debian has it
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] ||
    fail "this is ${codename:-no Debian}, and only bookworm's backports are known here" \
        "QEMU 9 or newer, from this system's packages"

# apt as it is, but for its lists, its downloads and where packages come from.
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/partial"
for suite in bookworm bookworm-backports; do
    echo "deb [signed-by=$keyring] $mirror $suite main"
done >"$dir/apt/sources.list"

private_apt() {
    apt-get -q -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" \
        -o Dir::Cache::archives="$dir/apt/cache" -o Dir::State::extended_states=/dev/null \
        -o Acquire::Languages=none -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
}

{
    private_apt update
    # --download-only: what the system lacks, as an installation would, and no more than that.
    private_apt install --download-only -y --no-install-recommends -t bookworm-backports \
        qemu-system-arm
} >"$dir/apt/log" 2>&1 ||
    fail "QEMU's packages did not come: $(grep '^E:' "$dir/apt/log" | head -n 1)" "$dir/apt/log"
for package in "$dir"/apt/cache/*.deb; do
    dpkg-deb -x "$package" "$dir/root"
done
rm -r "$dir/apt/cache" "$dir/apt/lists"

libraries=$(dirname "$(find "$dir/root/usr/lib" -name qemu -type d | head -n 1)")
cat >"$dir/$program" <<END
#!/bin/sh
export QEMU_MODULE_DIR="$libraries/qemu"
export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$dir/root/usr/bin/$program" -L "$dir/root/usr/share/qemu" "\$@"
END
chmod +x "$dir/$program"
has_raspi4b "$dir/$program" || fail "$dir/$program has no raspi4b" "$dir/$program -M help"
