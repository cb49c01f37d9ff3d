# docs-test: no-broker
set -euo pipefail
echo correct-horse  | stompbox passwd users alice > /dev/null
echo battery-staple | stompbox passwd users backend > /dev/null

# [change]
echo horse-correct | stompbox passwd users alice --role editor
stompbox passwd users backend --delete
# [/change]
