#!/bin/sh
# Proves the migrations of a project on an empty database that the job has started, of the engine that production
# has. Any shell, any CI; needs `smalls` on the PATH and the project as the current folder:
#
#   SMALLS_DATABASE_URL=postgresql://user:password@localhost:5432/app sh ci.sh
#
# The first command that fails ends it, with smalls' own exit code.
set -eu

export SMALLS_ENV=PROD SMALLS_YES=1 SMALLS_WAIT_TIMEOUT="${SMALLS_WAIT_TIMEOUT:-60}"

say() { echo "== $*" >&2; }
names() { smalls status --json | sed -n 's/^ *"name": "\(.*\)",$/\1/p'; }

say "every file loads and has a way back; models and migrations agree"
smalls check

say "all of them, on an empty database"
before=$(smalls status --json)
case $before in
  *'"applied": 0,'*) ;;
  *)
    say "this database has a history already"
    exit 3
    ;;
esac
smalls migrate

say "again: there is nothing to do"
before=$(smalls status --json)
smalls migrate
if [ "$before" != "$(smalls status --json)" ]; then
  say "the second run changed something"
  exit 1
fi

say "the newest back and forward"
newest=$(names | tail -n 1)
target=$(names | tail -n 2 | head -n 1)
[ "$target" != "$newest" ] || target=zero
possible=0
smalls rollback "$target" --plan >/dev/null || possible=$?
case $possible in
  0)
    smalls rollback "$target"
    smalls migrate
    ;;
  8) say "$newest has no way back, and says so" ;;
  *) exit "$possible" ;;
esac

say "nothing is pending"
smalls status --exit-code
