#!/bin/sh
# Creates seeds for the target decode from the hand-written corpus, once for each version, and a few encoded messages as
# seeds for the target from_wire.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/decode corpus/from_wire
for file in ../corpus/good/*.stomp ../corpus/bad/*.stomp; do
    for choice in '\000\103\007\001' '\001\103\007\001' '\002\103\007\001' '\002\000\001\000'; do
        { cat "$file"; printf "$choice"; } > "corpus/decode/$(basename "$file" .stomp)-$(printf "$choice" | od -An -tx1 | tr -d ' ')"
    done
done
# The format %b decodes the escapes: two backslashes are one in the file.
seed=0
for headers in '' 'user-name:ann\nreply-to:/temp-queue/~1\n' 'a\\\\b:1\\n2\\r\n' '\0303\0251:\0303\0251\nseq:7\ny:\n'; do
    for body in '0\n\n' '4\n\n\0377\0000\nb'; do
        seed=$((seed + 1))
        printf '%b' "destination:/topic/a\\\\cb\\nmessage-id:n-1\\n${headers}content-length:$body\\0000\\n" > "corpus/from_wire/$seed"
    done
done
