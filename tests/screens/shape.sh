#!/bin/sh
# Estimates for a model that a small GPU does not hold whole; the first of these screens opens the README.
. "$(dirname "$0")/lib.sh"
mode colour
"$top_builddir/tests/screens/make_shape" "$work/llama-2-7b.gguf" || exit 99

drive - llama-2-7b.gguf --machine machines/laptop.yaml --use-case code << 'EOF'
key 4
save out/shape-estimates-80x24
key e
save out/shape-explained
key Esc End
save out/shape-last
size 120 40
key Home
save out/shape-first-120x40
size 200 60
save out/shape-estimates-200x60
size 80 24
key 3 Right Right
save out/shape-split
key 4
save out/shape-split-estimates
size 120 40
save out/shape-split-120x40
key 2
save out/shape-model
EOF

# Levers: of a row that does not fit; where nothing fits at all; and one of them taken with its key.
drive - llama-2-7b.gguf --machine machines/laptop.yaml --use-case technical << 'EOF'
size 100 40
key 4 Home
expect What would make it fit
save out/shape-levers-of-a-row
EOF
drive - llama-2-7b.gguf --machine machines/laptop.yaml --budget 4GiB << 'EOF'
size 100 40
key 4
expect nothing fits; --fit split makes Q4_K_M fit
expect What would help, the cheapest first
save out/shape-levers
key A
expect KV
refuse nothing fits
save out/shape-lever-taken
key A A A
save out/shape-levers-taken
EOF

# The text alone, as it stands in the README: without colour the parts of the bars differ by their shade.
mode mono
drive - llama-2-7b.gguf --machine machines/laptop.yaml --use-case code << 'EOF'
key 4
save out/shape-estimates-mono
EOF
sed -e 1d -e '/^--$/,$d' "$work/out/shape-estimates-mono" > "$work/estimates.txt"
if [ "${GENERATE:-}" = 1 ]; then
    cp "$work/estimates.txt" "$screens/estimates.txt"
else
    cmp "$screens/estimates.txt" "$work/estimates.txt" || status=1
fi
compare
exit $status
