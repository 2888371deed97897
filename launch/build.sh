#!/usr/bin/env bash
# launch/build.sh debug|release|asan|ubsan [prefix]
#
# Builds build/VARIANT with the compiler, MPI, HDF5 and the other libraries that CMake finds (CC, CXX, CMAKE_PREFIX_PATH and
# HDF5_ROOT choose others) and installs to the prefix, build/VARIANT/install if none is given. debug checks the bounds of the standard
# library; asan and ubsan are debug builds with AddressSanitizer or UndefinedBehaviorSanitizer.
#   TSRUN_TARGETS   what to build, all by default; "tsrun" leaves out the tests
#   TSRUN_JOBS      compilers at once, as many as cores by default
#   TSRUN_CMAKE     more options for CMake
set -euo pipefail

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
(($# == 1 || $# == 2)) || usage
variant=$1
case $variant in
  release) options=(-DCMAKE_BUILD_TYPE=Release) ;;
  debug) options=(-DCMAKE_BUILD_TYPE=Debug) ;;
  asan) options=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g" -DTSRUN_SANITIZE=address) ;;
  ubsan) options=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g" -DTSRUN_SANITIZE=undefined) ;;
  *) usage ;;
esac
prefix=${2:-}
[[ -z $prefix || $prefix == /* ]] || prefix=$PWD/$prefix

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(dirname "$here")
build=$source/build/$variant
prefix=${prefix:-$build/install}
"$here/install.sh"

if [[ ! -f $build/CMakeCache.txt ]] && command -v ninja >/dev/null; then
  options+=(-G Ninja)
fi
read -r -a more <<<"${TSRUN_CMAKE:-}"
read -r -a targets <<<"${TSRUN_TARGETS:-all}"
cmake -S "$source" -B "$build" "${options[@]}" -DCMAKE_INSTALL_PREFIX="$prefix" "${more[@]}"
cmake --build "$build" --parallel "${TSRUN_JOBS:-$(nproc)}" --target "${targets[@]}"
cmake --install "$build" >/dev/null
echo "launch/build.sh: $build, installed to $prefix"
