#!/bin/sh
# Make the virtual environment $2 with Python $1: the locked packages, checked by their hashes, and feedfall itself.
# Says what is wrong and what to do where a machine lacks something. Honours pip's own settings (a mirror, a proxy).
set -eu
python=$1 venv=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

fail() { printf 'feedfall: %s\n' "$1" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 || fail "no $python here: install Python 3.11 to 3.13, or say make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "$("$python" --version) is not 3.11 to 3.13: say make PYTHON=/path/to/python3"

printf 'feedfall: installing its locked packages into %s (about 110 MB to download the first time)\n' "$venv"
"$python" -m venv --clear "$venv" 2>/dev/null || {
    # Debian ships venv without ensurepip; virtualenv brings its own.
    rm -rf "$venv"
    "$python" -m virtualenv --quiet "$venv" 2>/dev/null ||
        fail "$python cannot make a virtual environment: install python3-venv (Debian, Ubuntu: apt-get install python3-venv), or virtualenv"
}
install() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --root-user-action=ignore "$@" ||
        fail "pip could not install the packages (see above). Behind a mirror or proxy: set PIP_INDEX_URL, PIP_CERT or HTTPS_PROXY; the hashes in requirements/ stay as they are"
}
install --require-hashes -r "$here/dev.txt"
# feedfall itself runs from this folder: no build tools, nothing to download.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$(dirname "$here")" > "$site/feedfall.pth"
cat > "$venv/bin/feedfall" <<EOT
#!/bin/sh
exec "$(CDPATH='' cd -- "$venv/bin" && pwd)/python" -m cli "\$@"
EOT
chmod +x "$venv/bin/feedfall"
