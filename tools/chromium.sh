#!/bin/sh
# Runs a command with the path of a Chromium in QUERIST_CHROMIUM.
#
#   sh tools/chromium.sh pytest -m browser tests/service/page
#
# Chromium is installed with apt where it is missing and this may be done.
set -eu
[ $# -gt 0 ] || { echo "usage: sh tools/chromium.sh COMMAND ..." >&2; exit 2; }

find_it() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! found=$(find_it); then
    apt-get install -y -q --no-install-recommends chromium >&2 \
        || { echo "Chromium cannot be installed here." >&2; exit 1; }
    found=$(find_it)
fi
QUERIST_CHROMIUM="$found" exec "$@"
