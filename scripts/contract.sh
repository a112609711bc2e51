#!/usr/bin/env bash
# make contract CSV=data/x.csv: drafts shared_volume/data/x.toml, the data contract of a file on the shared volume.
# NAME=other names the data set, TARGET="Clicked on Ad" the column to predict. A contract that is there is never
# overwritten. What a person should look at is printed, and ends in "# check: ..." in the contract.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/container.sh

[ -n "${CSV:-}" ] || fail 2 "name a file of the shared volume: make contract CSV=data/x.csv"
prepare_container load_data
read_limits load_data

# The file as the volume names it: CSV is a path there, or one from here that leads there.
file=$CSV
if [ ! -e "$volume/$file" ] || [[ $file == /* ]]; then
    file=$(realpath -e -- "$CSV" 2> /dev/null) || fail 66 "there is no file $CSV, nor one of that name in $volume"
    [[ $file == "$volume"/* ]] || fail 2 "$CSV is not on the shared volume: copy it to $volume/data/ first"
    file=${file#"$volume"/}
fi
name=${NAME:-}
if [ -z "$name" ]; then
    name=${file##*/}
    name=${name%%.*}
    name=${name//[^A-Za-z0-9_-]/_}
    name=${name:0:100}
fi
[[ $name =~ ^[A-Za-z0-9_-]{1,100}$ ]] ||
    fail 2 "'$name' can't name a data set: use letters, digits, _ and -, at most 100; set NAME=..."
contract=$volume/data/$name.toml
[ ! -e "$contract" ] || fail 2 "$contract is there already and is not overwritten: remove it, or set NAME=..."

draft=$(mktemp "$volume/data/.draft.XXXXXX" 2> /dev/null) || fail 73 "$volume/data can't be written to"
trap 'rm -f "$draft"' EXIT
options=()
[ -z "${TARGET:-}" ] || options=("--target=$TARGET")
docker run "${walls[@]}" "${limits[@]}" --network none \
    --mount "type=bind,source=$volume,target=/shared_volume,readonly" --entrypoint python3 "$image" \
    -m load_data.draft_contract "${options[@]}" -- "$file" > "$draft"

chmod 644 "$draft"
mv -n "$draft" "$contract"
[ ! -e "$draft" ] || fail 2 "$contract was written meanwhile and is not overwritten"
say "contract: $contract is drafted; look at what is printed above, then: make run DATASET=$name"
