#!/bin/sh
echo "ServerName ${SERVER_NAME:-localhost}" >> /etc/apache2/apache2.conf
exec apache2ctl -D FOREGROUND
