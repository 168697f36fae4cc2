#!/bin/sh
# Prints a Python fit for this project: 3.11 to 3.14, with the venv module.
# `make PYTHON=/path/to/python3.12 ...` names one; otherwise the usual names are tried in turn.
# requirements/constraints.txt names releases, some of which have no builds for a Python newer than
# that; it is taken only when it is named.
set -u

old='import sys; raise SystemExit(sys.version_info < (3, 11))'
new='import sys; raise SystemExit(sys.version_info >= (3, 15))'
with_venv='import venv, ensurepip'

too_old=''
too_new=''
no_venv=''
for candidate in ${1:-python3 python3.14 python3.13 python3.12 python3.11}; do
    version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if ! "$candidate" -c "$old" 2>/dev/null; then
        too_old="$too_old $candidate=$version"
    elif [ -z "${1:-}" ] && ! "$candidate" -c "$new" 2>/dev/null; then
        too_new="$too_new $candidate=$version"
    elif ! "$candidate" -c "$with_venv" 2>/dev/null; then
        no_venv="$no_venv $candidate=$version"
    else
        command -v "$candidate"
        exit 0
    fi
done

{
    echo "Querist needs Python 3.11 or newer with the venv module, and what it installs has builds up to 3.14; none was found."
    [ -z "$too_old" ] || echo "  Too old:$too_old"
    [ -z "$too_new" ] || echo "  Too new, unless it is named:$too_new"
    [ -z "$no_venv" ] || echo "  Without venv:$no_venv (on Debian and Ubuntu: apt install python3-venv)"
    echo "  Install one, or name one: make PYTHON=/path/to/python3.12 ..."
} >&2
exit 1
