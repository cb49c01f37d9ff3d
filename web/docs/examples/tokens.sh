# docs-test: broker --jwt-secret a-secret-of-thirty-two-bytes-or-more
set -euo pipefail

# [login]
node login.mjs "{\"Authorization\":\"Bearer $(node token.mjs bob)\"}"
node login.mjs "{\"Authorization\":\"Bearer $(node token.mjs bob -5)\"}"
# [/login]
