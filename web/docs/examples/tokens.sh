# docs-test: no-broker
set -e
. ./background-broker.sh

# [start]
stompbox --jwt-secret a-secret-of-thirty-two-bytes-or-more
# [/start]

# [login]
node login.mjs "{\"Authorization\":\"Bearer $(node token.mjs bob)\"}"
node login.mjs "{\"Authorization\":\"Bearer $(node token.mjs bob -5)\"}"
# [/login]

# [handshake-start]
echo correct-horse | stompbox passwd users alice
stompbox --jwt-secret a-secret-of-thirty-two-bytes-or-more --token-cookie session --users-file users
# [/handshake-start]

# [handshake]
TOKEN=$(node token.mjs bob)
BASIC=$(printf alice:correct-horse | base64)
node handshake.mjs "/ws?access_token=$TOKEN"
node handshake.mjs /ws "{\"Cookie\":\"session=$TOKEN\"}"
node handshake.mjs /ws "{\"Authorization\":\"Bearer $TOKEN\"}"
node handshake.mjs /ws "{\"Authorization\":\"Basic $BASIC\"}"
# [/handshake]
