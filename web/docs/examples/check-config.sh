# docs-test: no-broker
set -e
. ./background-broker.sh

# [check]
stompbox check-config --config rules.toml
# [/check]
