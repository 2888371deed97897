#!/usr/bin/env bash
# launch/local.sh N COMMAND [options]: tsrun on N ranks of this machine.
#
# Each rank gets its share of the cores as threads, at least one, and is bound to them while there are enough for all.
#   OMP_NUM_THREADS   threads of a rank
#   TSRUN             the binary: build/release/tsrun, or the one that was installed with this script
#   MPIEXEC           the launcher: that of the MPI it was built with. Another one would start N runs of one rank.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
refuse() { echo "launch/local.sh: $*" >&2; exit 2; }
(($# >= 2)) || refuse "say how many ranks, and what they do: launch/local.sh 8 generate -m data/demo.h5 -p \"In the beginning\""
ranks=$1
shift
[[ $ranks =~ ^[1-9][0-9]{0,3}$ ]] || refuse "\"$ranks\" is not a number of ranks"
((ranks <= 512)) || refuse "$ranks ranks on one machine: MPI alone takes minutes to start above 128; 512 is the most"

build=$(dirname "$here")/build/release
if [[ -z ${TSRUN:-} ]]; then
  TSRUN=$build/tsrun
  if [[ $here == */share/tsrun/launch ]]; then TSRUN=${here%/share/tsrun/launch}/bin/tsrun; fi
fi
[[ -x $TSRUN ]] || refuse "there is no $TSRUN; build it with launch/build.sh release"
if [[ -z ${MPIEXEC:-} && $TSRUN == "$build/tsrun" ]]; then
  MPIEXEC=$(sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt")
fi
MPIEXEC=${MPIEXEC:-mpirun}
command -v "$MPIEXEC" >/dev/null || refuse "there is no launcher $MPIEXEC; set MPIEXEC to the one of your MPI"

# shellcheck source=launch/env.sh
. "$here/env.sh"
# Cores that this process may run on. Two hardware threads of a core share its arithmetic, so only one counts. (nproc answers
# with OMP_NUM_THREADS where that is set.)
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
if command -v lscpu >/dev/null; then
  whole=$(lscpu -p=Core,Socket 2>/dev/null | sed '/^#/d' | sort -u | wc -l) || whole=0  # it fails where there is no /sys
  if ((whole >= 1 && whole < cores)); then cores=$whole; fi
fi
threads=$((cores / ranks))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}"

binding=()
if "$MPIEXEC" --version 2>&1 | grep -q "Open MPI\|OpenRTE"; then
  # Left to itself Open MPI binds one or two ranks to one core each, whatever number of threads they have.
  if [[ $OMP_NUM_THREADS =~ ^[0-9]+$ ]] && ((ranks > 1 && ranks * OMP_NUM_THREADS <= cores)); then
    binding=(--map-by "slot:PE=$OMP_NUM_THREADS" --bind-to core)
  else
    binding=(--bind-to none)
  fi
fi
exec "$MPIEXEC" "${binding[@]}" -n "$ranks" "$TSRUN" "$@"
