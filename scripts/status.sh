#!/usr/bin/env bash
# make status: the services, the stages at work and the addresses. Exit code 0 when everything is healthy, else 1.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
load_settings "$ENV_FILE"
require_stack_settings

compose ps --all --format '{{.Service}} {{.State}}{{with .Health}}, {{.}}{{end}}' |
    while read -r service state; do printf '  %-22s %s\n' "$service" "$state"; done
read -r all well < <(count_services)
# Asked inside the monitor's container: no curl is needed, and no port.
compose exec -T monitor python3 -c '
import json, urllib.request
run = json.load(urllib.request.urlopen("http://127.0.0.1:5000/health", timeout=10))["newest_run"]
print("  newest run: " + ("none yet" if run is None else "{run_id}, {state}".format(**run)))
' 2> /dev/null || true
compose exec -T predictor python3 -c '
import json, urllib.error, urllib.request
try:
    told = json.load(urllib.request.urlopen("http://127.0.0.1:5002/health", timeout=10))
except urllib.error.HTTPError as error:
    told = json.load(error)
print("  predictor: " + (told["problem"] or "run " + told["model"]["run_id"] + " answers"))
' 2> /dev/null || true
stage_containers --format '  at work: {{.Label "ad-click.stage"}}, {{.Status}}'
[ "$well" -eq "$all" ] || fail 1 "$well of $all services are well: make up starts the others"
print_addresses
