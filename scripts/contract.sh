#!/usr/bin/env bash
# make contract CSV=data/x.csv: drafts shared_volume/data/x.toml, the data contract of a file on the shared volume.
# NAME=other names the data set, TARGET="Clicked on Ad" the column to predict. A contract that is there is never
# overwritten. What a person should look at is printed, and ends in "# check: ..." in the contract.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

[ -n "${CSV:-}" ] || fail 2 "name a file of the shared volume: make contract CSV=data/x.csv"
load_settings "$ENV_FILE"
volume=$(cd "${SHARED_VOLUME:-./shared_volume}" 2> /dev/null && pwd -P) ||
    fail 66 "there is no folder ${SHARED_VOLUME:-./shared_volume}: run 'make env'"

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

image=localhost/ad-click/load_data:${IMAGE_TAG:-latest}
docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not running: \
run 'make images'"
declared() { sed -nE "s/^$1 = \"?([^\"]*)\"?$/\1/p" images/load_data/stage.toml; }

draft=$(mktemp "$volume/data/.draft.XXXXXX" 2> /dev/null) || fail 73 "$volume/data can't be written to"
trap 'rm -f "$draft"' EXIT
options=()
[ -z "${TARGET:-}" ] || options=("--target=$TARGET")
docker run --rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true \
    --memory "$(declared memory)" --memory-swap "$(declared memory)" --cpus "$(declared cpus)" \
    --pids-limit "$(declared pids)" --network none --user "$PIPELINE_UID:$PIPELINE_GID" \
    --mount "type=bind,source=$volume,target=/shared_volume,readonly" --entrypoint python3 "$image" \
    -m load_data.draft_contract "${options[@]}" -- "$file" > "$draft"

chmod 644 "$draft"
mv -n "$draft" "$contract"
[ ! -e "$draft" ] || fail 2 "$contract was written meanwhile and is not overwritten"
say "contract: $contract is drafted; look at what is printed above, then: make run DATASET=$name"
