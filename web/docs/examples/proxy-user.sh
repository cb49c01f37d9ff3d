# docs-test: no-broker
set -e
. ./background-broker.sh

# [start]
stompbox --proxy-user-header X-Forwarded-User --trusted-proxies 127.0.0.1
# [/start]

# [login]
node handshake.mjs /ws '{"X-Forwarded-User":"dave"}'
# [/login]
