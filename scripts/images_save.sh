#!/usr/bin/env bash
# make images-save: the images that a worker host needs in one compressed file, and its checksum beside it.
# An argument is the file to write; without one it is images.tar.zst, or images.tar.gz where there is no zstd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/worker_images.sh
load_settings "$ENV_FILE"

[ $# -le 1 ] || fail 2 "one file is meant, not $#: a path with a blank is written ARGS=\"'/a disk/images.tar.zst'\""
require_engine
missing=$(missing_images)
[ -z "$missing" ] || fail 66 "not all images are here, such as ${missing%%$'\n'*}: make images builds them"
if command -v zstd > /dev/null; then
    file=${1:-images.tar.zst} compress=(zstd --quiet --threads=0)
else
    file=${1:-images.tar.gz} compress=(gzip -1)
fi
folder=$(dirname "$file")
[ -d "$folder" ] || fail 73 "there is no folder $folder to write $file into"

new=$(mktemp "$file.XXXXXX" 2> /dev/null) || fail 73 "$file cannot be written"
trap 'rm -f "$new"' EXIT
say "images: saving $(worker_images | wc -l) of them"
worker_images | xargs docker save 2> /dev/null | "${compress[@]}" > "$new" 2> /dev/null ||
    fail 73 "the images could not be written to $file: is the disk full?"
chmod 644 "$new"
sum=$(sha256sum < "$new")
printf '%s  %s\n' "${sum%% *}" "$(basename "$file")" > "$file.sha256"
mv "$new" "$file"
say "images: $file ($(du -h "$file" | cut -f 1)) and $file.sha256; on the worker host: make images-load ARGS=$(basename "$file")"
