#!/bin/sh
# check_valgrind.sh PATH PROGRAM [ARGUMENT ...] - a suite on a path of the host, under memcheck:
# no byte is read or written that is not the program's, nothing hangs on a byte that was never
# written, and nothing leaks. CK_RUN_CASE of the environment chooses cases.
set -eu
if ! command -v valgrind >/dev/null; then
  echo "skipped: valgrind is not installed"
  exit 77
fi
CUDROP_HOST_PATH=$1
shift
export CUDROP_HOST_PATH CK_FORK=no CK_EXCLUDE_TAGS=slow
exec valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
  "$@"
