#!/usr/bin/env bash
# make images-load ARGS=images.tar.zst: gives this host's engine the images of make images-save, once their checksum
# has said that the file is whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/worker_images.sh
load_settings "$ENV_FILE"

[ $# -le 1 ] || fail 2 "one file is meant, not $#: a path with a blank is written ARGS=\"'/a disk/images.tar.zst'\""
file=${1:-}
if [ -z "$file" ]; then
    for file in images.tar.zst images.tar.gz; do [ ! -f "$file" ] || break; done
fi
[ -f "$file" ] || fail 66 "there is no file $file: make images-save on the control host makes it"
[ -f "$file.sha256" ] || fail 66 "there is no $file.sha256, which make images-save wrote beside $file: copy both"
require_engine
wanted=$(cut -d ' ' -f 1 "$file.sha256")
sum=$(sha256sum < "$file")
[ "${sum%% *}" = "$wanted" ] || fail 65 "$file is not what was saved, its checksum is another: copy it again"
if ! answer=$(docker load --quiet --input "$file" 2>&1); then
    fail 70 "the engine did not take $file: ${answer##*$'\n'}"
fi
missing=$(missing_images)
[ -z "$missing" ] || fail 65 "$file lacks ${missing%%$'\n'*}: IMAGE_TAG in $ENV_FILE is not the control host's, \
or the file is of an older version"
say "images: $(worker_images | wc -l) of them are here"
