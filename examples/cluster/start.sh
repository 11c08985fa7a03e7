#!/bin/sh
# Puts the database's password where PostgreSQL's client library looks for it ($PGPASSFILE), then becomes the command that
# it is given. The library reads no file that others may read, and a secret is mounted with the mode it has outside.
set -eu
secret=${DATABASE_PASSWORD_FILE:-/run/secrets/database_password}
umask 077
password=$(sed 's/[\\:]/\\&/g;q' "$secret")
[ -n "$password" ] || { echo "start.sh: no password in $secret" >&2; exit 2; }
printf '*:*:*:*:%s\n' "$password" >"$PGPASSFILE"
exec "$@"
