#!/usr/bin/env sh
# Makes an environment with a real Triton server in a folder, and prints its interpreter.
# usage: sh tools/triton.sh FOLDER [PYTHON]
# nvidia-pytriton wants Debian's own Python 3.11 with its venv module (package python3.11-venv).
set -eu
folder=$1
python=${2:-/usr/bin/python3.11}
if [ ! -x "$folder/bin/python" ]; then
    "$python" -m venv "$folder" || {
        echo "no environment: install the packages python3.11 and python3.11-venv of Debian 12" >&2
        exit 1
    }
fi
"$folder/bin/python" -c 'import pytriton' 2>/dev/null ||
    "$folder/bin/python" -m pip --disable-pip-version-check --quiet install 'nvidia-pytriton==0.7.0' numpy >&2
echo "$folder/bin/python"
