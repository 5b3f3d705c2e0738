#!/bin/sh
# Run by the one-shot service `roles`, by Postgres' socket: the superuser's password, then each service's role and schema.
set -eu
# A password may be in a file instead, which <NAME>_FILE names.
for name in POSTGRES_PASSWORD BONGSU_API_DB_PASSWORD BONGSU_NOTIFICATION_DB_PASSWORD BONGSU_AUDIT_DB_PASSWORD \
  BONGSU_MONITOR_DB_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -z "$file" ] || export "$name=$(cat "$file")"
done
printf '%s\n' "\\getenv password POSTGRES_PASSWORD" "ALTER ROLE postgres PASSWORD :'password' \\g" |
  psql -v ON_ERROR_STOP=1 --quiet --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"
BONGSU_ROLES_SQL=/etc/bongsu/postgres/roles.sql exec /bin/sh /etc/bongsu/postgres/init.sh
