#!/usr/bin/env bash
# docs-test: broker
# Sends the lines of a Telnet session on one connection. Another connection receives the message.
set -euo pipefail
port=${STOMPBOX_TCP_PORT:-61613}

session() { cat << 'END'
# [session]
$ telnet 127.0.0.1 61613
CONNECT
accept-version:1.2

^@
SEND
destination:/topic/greetings

hello from a terminal^@
# [/session]
END
}

exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port"
receive() { read -r -d '' frame <&3; }
printf 'CONNECT\naccept-version:1.2\n\n\0' >&3
receive
printf 'SUBSCRIBE\nid:1\ndestination:/topic/greetings\nreceipt:1\n\n\0' >&3
receive

# Removes the comments and the command. Telnet sends `^@` as a NUL byte, and Return as CR LF.
session | sed '/^[#$]/d; s/\^@/\x00/; s/$/\r/' >&4
receive
printf '%s\n' "${frame##*$'\n\n'}"
