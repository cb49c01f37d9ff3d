# docs-test: no-broker
set -euo pipefail
# [settings]
stompbox check-config --frame-bytes-max 1MiB | grep frame-bytes-max

STOMPBOX_FRAME_BYTES_MAX=1MiB stompbox check-config | grep frame-bytes-max

echo 'frame-bytes-max = "1MiB"' > limits.toml
stompbox check-config --config limits.toml | grep frame-bytes-max
# [/settings]
