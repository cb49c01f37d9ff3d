#!/usr/bin/env bash
# docs-test: broker
exec 3<>"/dev/tcp/127.0.0.1/${STOMPBOX_TCP_PORT:-61613}"
send() { printf "$1\0" >&3; }                                  # a frame ends with a NUL byte
receive() { read -r -d '' frame <&3; printf '%s\n\n' "$frame"; }

send 'CONNECT\naccept-version:1.2\n\n'
receive
send 'SUBSCRIBE\nid:1\ndestination:/topic/greetings\n\n'
send 'SEND\ndestination:/topic/greetings\n\nhello from bash'
receive
send 'DISCONNECT\nreceipt:bye\n\n'
receive
