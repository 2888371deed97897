# shellcheck shell=sh
# The environment of a run; sourced by the other scripts, or by hand: . launch/env.sh
#
# Each variable stands with its reason, and none replaces a value that is already there.

# Open MPI refuses to start as root without these two words of consent; containers and CI are root.
if [ "$(id -u)" = 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}"
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:-1}"
fi

# More ranks than cores is normal here: a rank plays a chip.
export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"

# A rank that waits lets others run. Open MPI does so by itself only where it believes the node to be oversubscribed, which
# it does not with a hostfile or under srun; without it an 8-byte all-reduce of 8 ranks on 2 cores takes 26 ms, not 14 us.
export OMPI_MCA_mpi_yield_when_idle="${OMPI_MCA_mpi_yield_when_idle:-1}"

# mpirun watches the other hosts through these connections. The system's defaults notice a cut cable after 8 minutes.
export OMPI_MCA_oob_tcp_keepalive_time="${OMPI_MCA_oob_tcp_keepalive_time:-10}"
export OMPI_MCA_oob_tcp_keepalive_intvl="${OMPI_MCA_oob_tcp_keepalive_intvl:-2}"
export OMPI_MCA_oob_tcp_keepalive_probes="${OMPI_MCA_oob_tcp_keepalive_probes:-5}"
