#!/usr/bin/env bash
# make fuzz: look for a data file that breaks a promise of load_data, for FUZZ_SECONDS (600), and for tables that are
# read otherwise than they were written, with FUZZ_EXAMPLES (2000) of each kind; both at random, other ones each time.
# What is found goes to .build/fuzz. FUZZ_KEEP=1 adds the inputs that reach new code to the kept corpus.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/venv.sh
found=.build/fuzz
corpus=tests/hostile/corpus
mkdir -p "$found/inputs"
# libFuzzer starts the target itself when it merges: by its name, so with the first python3 of the path.
fuzz() { PATH=$PWD/.venv/bin:$PATH PYTHONPATH=images:. nice tests/hostile/fuzz_load_data.py "$@"; }

if ! .venv/bin/python3 -c "import atheris" 2> /dev/null; then
    echo "fuzz: there is no atheris for this machine; it has builds for x86_64 Linux" >&2
    exit 1
fi
fuzz "$found/inputs" "$corpus" -max_total_time="${FUZZ_SECONDS:-600}" -dict=tests/hostile/fuzz.dict -max_len=65536 \
    -rss_limit_mb=2048 -artifact_prefix="$found/" || {
    echo "fuzz: an input broke a promise; it is the newest file of $found. Add it to $corpus with the cure" >&2
    exit 1
}
if [ "${FUZZ_KEEP:-}" ]; then
    fuzz "$corpus" "$found/inputs" -merge=1 -max_len=4096
fi
FUZZ_EXAMPLES=${FUZZ_EXAMPLES:-2000} nice .venv/bin/python3 -m pytest tests/hostile/test_same_table.py -q
echo "fuzz: nothing was found that breaks a promise"
