#!/usr/bin/env bash
# launch/test.sh [long|every] [debug|release|asan|ubsan]
#
# Installs what is missing, builds (release by default) and runs the tests, one more at a time than there are cores, since
# those that start ranks mostly wait for the launcher. `long` adds those that take minutes: 64 ranks, the widest meshes;
# `every` also those that together take an hour: all schedules, and the price of every walk, on every torus of up to 512
# chips. Ends with ctest's summary, and red if a test fails or none ran.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
variant=release
selection=(--label-exclude '^(long|every)$')
for word in "$@"; do
  case $word in
    long) selection=(--label-exclude '^every$') ;;
    every) selection=() ;;
    debug | release | asan | ubsan) variant=$word ;;
    *) sed -n '2s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

"$here/build.sh" "$variant"
exec ctest --test-dir "$(dirname "$here")/build/$variant" --parallel "$(($(nproc) + 1))" --no-tests=error --output-on-failure \
  "${selection[@]}" </dev/null
