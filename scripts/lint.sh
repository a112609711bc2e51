#!/usr/bin/env bash
# make lint: style, format and types of everything, the rules for Dockerfiles, and a search for secrets; changes
# nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/ruff check .
.venv/bin/ruff format --check .
# Each stage is a main.py of its own: they are checked as modules of their folders.
.venv/bin/mypy images orchestration scripts benchmarks
for script in scripts/*.sh scripts/postgres/*.sh orchestration/redis/*.sh; do bash -n "$script"; done

# Debian's packages come in the version of the base image's release (DL3008): one that is pinned is gone with the next
# security update.
.venv/bin/hadolint --no-color --ignore DL3008 images/*/Dockerfile orchestration/Dockerfile \
    orchestration/docker_proxy/Dockerfile orchestration/redis/Dockerfile scripts/postgres/Dockerfile

# Nothing is sent anywhere to see whether it is a secret. Left out are the words that tests and documents log in with,
# and sentences about passwords.
sample="^(another|wrong|secret|never told|a (quite )?long password|correct horse battery|mot de passe: .*|pass\\\$word # of 2)\$"
sample+="|^(AIRFLOW_ADMIN_PASSWORD in|AIRFLOW_JWT_SECRET POSTGRES_PASSWORD|login with|what make run prints)"
# An image's short id, which benchmarks record.
sample+="|^[0-9a-f]{12}$"
if files=$(git ls-files --cached --others --exclude-standard 2> /dev/null); then
    xargs --delimiter '\n' .venv/bin/detect-secrets-hook --no-verify --exclude-secrets "$sample" \
        --exclude-files '\.(csv|png)$|(^|/)(requirements|uv|learn|table)\.txt$|package-lock\.json$' <<< "$files"
else
    echo "lint: no search for secrets, as this is no git checkout"
fi
