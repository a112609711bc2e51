# Sourced, after settings.sh: how a settings file gets its secrets. No value stands on a command line or is printed.

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

random_secret() { # NAME: a new value for a secret of .env.example; nothing for any other setting
    case $1 in
        AIRFLOW_FERNET_KEY) head -c 32 /dev/urandom | base64 | tr '+/' '-_' ;;
        AIRFLOW_ADMIN_PASSWORD | MONITOR_PASSWORD) random_hex 12 ;;
        AIRFLOW_VIEWER_PASSWORD | POSTGRES_PASSWORD | SPARK_AUTH_SECRET) random_hex 24 ;;
        CLUSTER_REDIS_PASSWORD | CLUSTER_FLOWER_PASSWORD) random_hex 24 ;;
        AIRFLOW_JWT_SECRET | AIRFLOW_SECRET_KEY) random_hex 48 ;;
    esac
}

# Gives a setting of $ENV_FILE the value that the shell's variable of its name has. The file is replaced as a whole,
# and only by one that was written to its end.
write_setting() { # NAME
    local line text= found= new value=${!1}
    if [[ $value =~ [^A-Za-z0-9_.,:/@%+=-] ]]; then value="'$value'"; fi
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line == "$1="* ]]; then line="$1=$value" found=yes; fi
        text+=$line$'\n'
    done < "$ENV_FILE"
    if [ -z "$found" ]; then text+="$1=$value"$'\n'; fi
    new=$(umask 077 && mktemp "$ENV_FILE.XXXXXX")
    if ! { printf '%s' "$text" > "$new" && sync "$new" && mv "$new" "$(readlink -f "$ENV_FILE")"; }; then
        rm -f "$new"
        fail 73 "$ENV_FILE could not be written and is as it was"
    fi
}
