#!/bin/sh
# Makes the data on the first start, then becomes the server.
set -e
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --user=mysql --skip-test-db > /dev/null
    mariadbd --user=mysql --bootstrap < /docker-entrypoint-initdb.d/init.sql
    echo "entrypoint: the data is made"
fi
exec "$@"
