# docs-test: no-broker
set -euo pipefail

# Replaces the command `stompbox`. Runs the broker in the background on a free port, because this script has only one
# terminal. Waits until the broker has printed `listening http://127.0.0.1:PORT`.
broker=
stop_broker() {
  if [ -n "$broker" ]; then kill "$broker"; wait "$broker" || :; fi
  broker=
}
trap stop_broker EXIT
stompbox() {
  stop_broker
  rm -f listening
  mkfifo listening
  env "${STOMPBOX:-stompbox}" --tcp off --http 127.0.0.1:0 "$@" > listening &
  broker=$!
  exec 3< listening
  read -r _ STOMPBOX_HTTP_URL <&3
  export STOMPBOX_HTTP_URL
}

# [pem]
node key-pair.mjs bob > token.txt
stompbox --jwt-key-file public.pem
# [/pem]
node login.mjs "{\"Authorization\":\"Bearer $(cat token.txt)\"}" | grep -qx 'CONNECTED as bob'

# [jwks]
stompbox --jwt-jwks keys.json
# [/jwks]

# [login]
node login.mjs "{\"Authorization\":\"Bearer $(cat token.txt)\"}"
# [/login]
