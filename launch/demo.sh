#!/usr/bin/env bash
# The main job on the embedded model: installs what is missing, builds, and lets 8 ranks continue a prompt (sampled; the
# seed makes it the same each time). The text goes to stdout as it is made; a report follows on stderr: mesh, layouts,
# tokens per second, bytes of each collective, memory of a rank.
set -euo pipefail

here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TSRUN_TARGETS=tsrun "$here/build.sh" release >&2
exec "$here/local.sh" 8 generate -m "$(dirname "$here")/data/demo.h5" -p "In the beginning" -n 300 \
  --temp 0.7 --top-p 0.95 -s 5 </dev/null
