#!/bin/sh
# Runs smalls with the container's arguments; with none, it says what it is and how to use it, and ends with 2.
#
#   docker run smalls                   what it is
#   docker run smalls migrate           any command of smalls
#   docker run --entrypoint sh -it smalls   a shell, to look around
#
# exec makes smalls process 1, so that it gets SIGTERM itself and its exit code is the container's.
set -eu

# The user may be any, the group is 0: what one user makes in a volume, the next one can write.
umask 0002

exec smalls "$@"
