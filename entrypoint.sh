#!/bin/sh
# Runs smalls with the container's arguments; with none, its help page.
#
#   docker run smalls                   the help page
#   docker run smalls migrate           any command of smalls
#   docker run --entrypoint sh -it smalls   a shell, to look around
#
# exec makes smalls process 1, so that it gets SIGTERM itself and its exit code is the container's.
set -eu

[ $# -gt 0 ] || set -- --help

exec smalls "$@"
