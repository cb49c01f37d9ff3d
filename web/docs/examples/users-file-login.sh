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

echo correct-horse | env "${STOMPBOX:-stompbox}" passwd users alice > /dev/null

# [start]
stompbox --users-file users
# [/start]

# [login]
node login.mjs '{"login":"alice","passcode":"correct-horse"}'
node login.mjs '{"login":"alice","passcode":"wrong"}'
# [/login]
