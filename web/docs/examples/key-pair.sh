# docs-test: no-broker
set -e
. ./background-broker.sh

# [pem]
node key-pair.mjs bob > token.txt
stompbox --jwt-key-file public.pem
# [/pem]
node login.mjs "{\"Authorization\":\"Bearer $(cat token.txt)\"}"

# [jwks]
stompbox --jwt-jwks keys.json
# [/jwks]
# [login]
node login.mjs "{\"Authorization\":\"Bearer $(cat token.txt)\"}"
# [/login]
