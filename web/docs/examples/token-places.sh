# docs-test: broker --user alice:correct-horse --jwt-secret a-secret-of-thirty-two-bytes-or-more --token-cookie session
set -euo pipefail

# [handshake]
TOKEN=$(node token.mjs bob)
BASIC=$(printf alice:correct-horse | base64)
node handshake.mjs "/ws?access_token=$TOKEN"
node handshake.mjs /ws "{\"Cookie\":\"session=$TOKEN\"}"
node handshake.mjs /ws "{\"Authorization\":\"Bearer $TOKEN\"}"
node handshake.mjs /ws "{\"Authorization\":\"Basic $BASIC\"}"
# [/handshake]
