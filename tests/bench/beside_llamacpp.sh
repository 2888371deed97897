#!/usr/bin/env bash
# beside_llamacpp.sh LLAMA_BIN FILE.gguf FILE.h5 DTYPE [runs]
#
# tsrun and llama.cpp on the same work, in turns on the same cores: prefill of 512 tokens, 128 decode steps of one sequence,
# and of 8 and 32 together. LLAMA_BIN is the folder of a build of llama.cpp with llama-bench and llama-batched-bench; FILE.h5
# holds the weights of FILE.gguf, or is a config.json of the shape, for which tsrun makes up weights. Medians, in tokens per
# second, with the least and the most of all runs; llama.cpp with as many threads as are faster, flash attention on.
#   TSRUN     the program, build/release/tsrun if unset
#   WORK      which lines, all if unset: "pp512 tg128 tg128x8 tg128x32"
set -euo pipefail

(($# >= 4)) || { sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
llama=$1 gguf=$2 h5=$3 dtype=$4 runs=${5:-5}
here=$(cd -P "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tsrun=${TSRUN:-$here/../../build/release/tsrun}
cores=$(nproc)
[[ $h5 == *.json ]] && made_up=--random-weights || made_up=

# One figure each of one run.
ours() {  # pp tg batch
  "$tsrun" bench -m "$h5" $made_up --dtype "$dtype" --quiet --pp "$1" --tg "$2" --batch "$3" -r 1 -t "$cores" --json - 2>/dev/null |
    python3 -c 'import json, sys; print(json.loads(sys.stdin.read()[0:])["rows"][0]["tokens_per_s"])'
}
theirs() {  # pp tg batch
  for threads in $(seq 1 "$cores"); do
    if (($3 == 1)); then
      "$llama/llama-bench" -m "$gguf" -p "$1" -n "$2" -t "$threads" -fa 1 -r 1 -o json 2>/dev/null |
        python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["avg_ts"])'
    else
      "$llama/llama-batched-bench" -m "$gguf" -npp 16 -ntg "$2" -npl "$3" -t "$threads" -tb "$threads" -fa on -c $((160 * $3)) \
        --output-format jsonl 2>/dev/null |
        python3 -c 'import json, sys; print([json.loads(l) for l in sys.stdin if l.startswith("{")][-1]["speed_tg"])'
    fi
  done | sort -g | tail -1
}
median() { sort -g | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f .. %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }

echo "| work | tsrun $dtype | llama.cpp $(basename "$gguf") | ratio |"
echo "| --- | --- | --- | --- |"
for work in ${WORK:-pp512 tg128 tg128x8 tg128x32}; do
  case $work in
    pp512) arguments=(512 0 1) ;;
    tg128) arguments=(0 128 1) ;;
    tg128x*) arguments=(0 128 "${work#tg128x}") ;;
    *) echo "beside_llamacpp.sh: no work $work" >&2; exit 2 ;;
  esac
  a= b=
  for ((i = 0; i < runs; ++i)); do
    a+=$(ours "${arguments[@]}")$'\n'
    b+=$(theirs "${arguments[@]}")$'\n'
  done
  a=$(printf '%s' "$a" | median) b=$(printf '%s' "$b" | median)
  echo "| $work | $a | $b | $(awk -v a="${a%% *}" -v b="${b%% *}" 'BEGIN { printf "%.2f", a / b }') |"
done
