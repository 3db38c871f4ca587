#!/bin/sh
# A checkpoint folder served by other runtimes than llama.cpp: its formats as rows, why one wins and what serves it; the
# wish for a runtime changes the rows; the plan of a folder.
. "$(dirname "$0")/lib.sh"
mode colour
"$top_builddir/tests/cli/make_folder" "$DEMO" "$work/demo-hf" || exit 99

drive - demo-hf --machine machines/workstation.yaml --runtime vllm --use-case creative << 'EOF'
key 4
save out/folders-estimates-80x24
key e
save out/folders-explained
key Esc Home
save out/folders-first
size 120 40
save out/folders-first-120x40
size 80 24
key 3
save out/folders-wishes
key Down Right
save out/folders-wishes-tgi
key 4 End
save out/folders-estimates-tgi
key 3 Left
key 4 6
size 120 40
save out/folders-review
EOF

# A GPU that nobody knows is warned of.
drive - demo-hf --machine machines/unknown-gpu.yaml --runtime vllm --use-case creative << 'EOF'
size 120 40
key 4
save out/folders-unknown-gpu
EOF
compare
exit $status
