#!/usr/bin/env bash
# Installs what a build needs and this machine lacks: the one list of packages. Only as root on Debian or Ubuntu; anywhere else
# it says what would be installed and goes on, for a cluster has its own compiler, MPI and HDF5, and CMake says
# exactly what it cannot find.
set -euo pipefail

packages=(
  g++ cmake ninja-build make pkg-config     # C++20: GCC 12 or clang 14, and later
  openmpi-bin libopenmpi-dev                # MPI 3.1
  libhdf5-openmpi-dev                       # HDF5 1.10
  libboost-program-options-dev nlohmann-json3-dev libssl-dev
  libpcre2-dev                              # tokenizer patterns with look-ahead
  libisal-dev                               # CRC-32C at memory speed
  doctest-dev                               # tests
  libopenblas-serial-dev                    # a benchmark runs it beside tsrun's own products
)
if [[ ${CXX:-} == *clang* ]]; then packages+=(clang libomp-dev); fi

# mpirun asks for "localhost" some dozen times. A bare chroot has no /etc/hosts to answer from, and a name server that does not
# know the name, or is slow, makes each start take from 10 to 50 seconds.
if [[ ! -e /etc/hosts && -w /etc ]]; then
  echo "launch/install.sh: there is no /etc/hosts; writing one that knows localhost"
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >/etc/hosts
fi

if ! command -v dpkg-query >/dev/null; then
  echo "launch/install.sh: not a Debian; what Debian calls ${packages[*]} is taken from what is here"
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

if [[ $(id -u) != 0 ]]; then
  echo "launch/install.sh: not installed, and only root can: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 0
fi
echo "launch/install.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
