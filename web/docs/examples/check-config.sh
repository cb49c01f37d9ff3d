# docs-test: no-broker
set -euo pipefail

# [check]
stompbox check-config --config rules.toml
# [/check]
