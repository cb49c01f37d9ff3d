# docs-test: no-broker
set -euo pipefail

# [create]
echo correct-horse  | stompbox passwd users alice
echo battery-staple | stompbox passwd users backend --role service
stompbox passwd users --list
# [/create]
