#!/bin/sh
# Starts a temporary PostgreSQL, runs a command with its URL in QUERIST_POSTGRES, and removes it.
#
#   sh tools/postgres.sh pytest -m postgres tests/service
#
# PostgreSQL is installed with apt where it is missing and this may be done. The server refuses to
# run as root, so then it runs as the user "postgres" or "nobody".
set -eu
[ $# -gt 0 ] || { echo "usage: sh tools/postgres.sh COMMAND ..." >&2; exit 2; }

programs() {
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r) ''; do
        found=$(PATH="$folder:$PATH" command -v initdb 2>/dev/null) && { dirname "$found"; return; }
    done
    return 1
}
if ! bin=$(programs); then
    apt-get install -y -q postgresql >&2 || { echo "PostgreSQL cannot be installed here." >&2; exit 1; }
    bin=$(programs)
fi

data=$(mktemp -d)
as=''
if [ "$(id -u)" = 0 ]; then
    owner=postgres; id postgres >/dev/null 2>&1 || owner=nobody
    chown "$owner" "$data"
    as="setpriv --reuid $owner --clear-groups --"
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
finish() { cd /; $as "$bin/pg_ctl" -D "$data/db" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$data"; }
trap finish EXIT INT TERM

here=$(pwd); cd "$data"
$as "$bin/initdb" -D "$data/db" -U querist -A trust -E UTF8 --no-sync >/dev/null
options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$data -c fsync=off"
$as "$bin/pg_ctl" -D "$data/db" -w -o "$options" -l "$data/log" start >/dev/null
cd "$here"
QUERIST_POSTGRES="postgresql://querist@127.0.0.1:$port/postgres" "$@"
