# Defines the function `stompbox` for scripts that need more than one terminal. `stompbox passwd` and `stompbox
# check-config` run as usual. With other arguments the broker runs in the background on a free port, and replaces the
# broker before it. In a terminal of your own you do not need this file.

stop_broker() {
  if [ -n "${broker:-}" ]; then
    kill "$broker"
    wait "$broker" || :
    broker=
  fi
}
trap stop_broker EXIT

stompbox() {
  # The broker would take the variables of the examples for options.
  set -- env -u STOMPBOX_HTTP_URL -u STOMPBOX_TCP_PORT "${STOMPBOX:?expected the path of the binary}" "$@"
  case "$7" in
    passwd | check-config)
      "$@"
      return
      ;;
  esac
  stop_broker
  rm -f listening
  mkfifo listening
  "$@" --tcp off --http 127.0.0.1:0 > listening 2> broker.log &
  broker=$!
  exec 3< listening
  # The broker prints `listening http://127.0.0.1:PORT` when it is ready.
  read -r _ STOMPBOX_HTTP_URL <&3 || { cat broker.log >&2; exit 1; }
  export STOMPBOX_HTTP_URL
}
