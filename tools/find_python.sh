#!/bin/sh
# Prints a Python fit for this project: 3.11 or newer, with the venv module.
# `make PYTHON=/path/to/python3.12 ...` names one; otherwise the usual names are tried in turn.
set -u

fit='import sys; raise SystemExit(sys.version_info < (3, 11))'
with_venv='import venv, ensurepip'

too_old=''
no_venv=''
for candidate in ${1:-python3 python3.14 python3.13 python3.12 python3.11}; do
    version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if ! "$candidate" -c "$fit" 2>/dev/null; then
        too_old="$too_old $candidate=$version"
    elif ! "$candidate" -c "$with_venv" 2>/dev/null; then
        no_venv="$no_venv $candidate=$version"
    else
        command -v "$candidate"
        exit 0
    fi
done

{
    echo "Querist needs Python 3.11 or newer with the venv module; none was found."
    [ -z "$too_old" ] || echo "  Too old:$too_old"
    [ -z "$no_venv" ] || echo "  Without venv:$no_venv (on Debian and Ubuntu: apt install python3-venv)"
    echo "  Install one, or name one: make PYTHON=/path/to/python3.12 ..."
} >&2
exit 1
