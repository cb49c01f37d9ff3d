#!/bin/sh
# Creates seeds for the target decode from the hand-written corpus, once for each version.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/decode
for file in ../corpus/good/*.stomp ../corpus/bad/*.stomp; do
    for choice in '\000\103\007\001' '\001\103\007\001' '\002\103\007\001' '\002\000\001\000'; do
        { cat "$file"; printf "$choice"; } > "corpus/decode/$(basename "$file" .stomp)-$(printf "$choice" | od -An -tx1 | tr -d ' ')"
    done
done
