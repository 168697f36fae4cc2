#!/usr/bin/env sh
# Makes an environment with a real Label Studio in a folder, and prints its interpreter.
# usage: sh tools/labelstudio.sh FOLDER [PYTHON]
# It needs Python 3.10 or later with its venv module, and takes some minutes and 1 GB.
set -eu
folder=$1
python=${2:-python3}
if [ ! -x "$folder/bin/python" ]; then
    "$python" -m venv "$folder" || {
        echo "no environment: Python's module venv is missing" >&2
        exit 1
    }
fi
[ -x "$folder/bin/label-studio" ] ||
    "$folder/bin/python" -m pip --disable-pip-version-check --quiet install 'label-studio==1.23.2' >&2
echo "$(cd "$folder/bin" && pwd)/python"
