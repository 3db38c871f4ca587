#!/bin/sh
# The model page on a repository of the hub: what it offers, what of it fits, fetching one; and what goes wrong.
command -v python3 >/dev/null || exit 77
. "$(dirname "$0")/lib.sh"
mode colour

mkdir -p "$work/.srv/org/tiny-GGUF" "$work/.srv/org/pickles"
cp "$DEMO" "$work/.srv/org/tiny-GGUF/tiny-F16.gguf"
for level in Q8_0 Q4_K_M Q2_K; do
    "$QUANTWIZ" quantize "$DEMO" "$work/.srv/org/tiny-GGUF/tiny-$level.gguf" $level >"$work/log" || exit 99
done
# A checkpoint whose weights are damaged is listed all the same.
mkdir -p "$work/.srv/org/tiny"
head -c 9000 "$DEMO" >"$work/.srv/org/tiny/model.safetensors"
echo '{}' >"$work/.srv/org/tiny/config.json"
echo pickle >"$work/.srv/org/pickles/pytorch_model.bin"
. "$top_srcdir/tests/cli/hub_lib.sh"
own_caches "$work"
start_hub "$work/.srv" --quantized org/tiny=org/tiny-GGUF

# Typed on the page: the offers, the recommended one under the cursor; another is chosen and fetched.
drive - --machine machines/edge-pi5.yaml << 'EOF'
key 2 o
type hf:org/tiny-GGUF
key Enter
save out/hub-offers
key Up
save out/hub-smaller
key Enter
save out/hub-fetched
dump dump
expect SIM
EOF
grep -q "^model: quantwiz demo" "$work/dump" || { echo "the fetched model was not chosen"; status=1; }

# A checkpoint, and from there to what others made of it.
drive - --machine machines/edge-pi5.yaml << 'EOF'
key 2 o
type hf:org/tiny
key Enter
expect the checkpoint itself
key Down
save out/hub-relative
key Enter
expect tiny-Q4_K_M.gguf
EOF

# On the command line, by level; and a second time, when it is in the cache.
drive - hf:org/tiny-GGUF:q8_0 --machine machines/edge-pi5.yaml << 'EOF'
key 2
save out/hub-named
key Enter
key Enter
expect Wishes
EOF

# What cannot be: no such repository, nothing that can be used, a name that is none.
drive - --machine machines/edge-pi5.yaml << 'EOF'
key 2 o
type hf:org/pickles
key Enter
save out/hub-pickles
key Esc o
type hf:../x
key Enter
save out/hub-no-name
EOF
compare
exit $status
