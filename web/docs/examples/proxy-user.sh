# docs-test: broker --proxy-user-header X-Forwarded-User --trusted-proxies 127.0.0.1
set -euo pipefail

# [login]
node handshake.mjs /ws '{"X-Forwarded-User":"dave"}'
# [/login]
