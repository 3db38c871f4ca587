#!/bin/sh
# A model of an architecture that nobody knows: it can be quantized, and each page says what cannot be done.
. "$(dirname "$0")/lib.sh"
mode colour
LC_ALL=C sed 's/\(general.architecture............\)llama/\1zzzma/; s/llama\./zzzma./g' "$DEMO" > "$work/unknown.gguf"

drive - unknown.gguf --machine machines/workstation.yaml << 'EOF'
key 2
save out/unknown-model
key 4 5
save out/unknown-calibrate
key 6
save out/unknown-review
EOF
compare
exit $status
