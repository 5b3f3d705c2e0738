#!/bin/sh
# For /docker-entrypoint-initdb.d: runs roles.sql, which lies beside this folder's mount, with the passwords of the environment.
set -eu
setting() { printf "SELECT set_config('bongsu.%s_password', :'password', false) \\\\g /dev/null\n" "$1"; }
{
  for service in api notification audit monitor; do
    upper=$(printf '%s' "$service" | tr '[:lower:]' '[:upper:]')
    printf '%s\n' "\\set password ''" "\\getenv password BONGSU_${upper}_DB_PASSWORD"
    setting "$service"
  done
  cat "${BONGSU_ROLES_SQL:-/etc/bongsu/roles.sql}"
} | psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "${POSTGRES_DB:-$POSTGRES_USER}"
