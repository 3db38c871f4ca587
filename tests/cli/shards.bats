# Shards: quantize and convert into them, split and merge.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "split and merge give the same file back" {
    run "$QUANTWIZ" split "$DEMO" part --split-max-size 2M
    [ "$status" -eq 0 ]
    [[ $output == *"5 files: part-00001-of-00005.gguf to part-00005-of-00005.gguf"* ]]
    [ "$(ls)" = "$(printf 'part-0000%d-of-00005.gguf\n' 1 2 3 4 5)" ]
    "$QUANTWIZ" merge part-00001-of-00005.gguf whole.gguf
    cmp whole.gguf "$DEMO"
}

@test "no shard is larger than was asked for, unless one tensor is" {
    "$top_builddir/tests/cli/make_model" model.gguf 256 640 4 2000
    largest=$((256 * 2000 * 2)) # the embedding
    for size in 1M 700K 128K; do
        rm -f s-*
        "$QUANTWIZ" split model.gguf s --split-max-size $size
        limit=$((${size%[MK]} * (${#size} == 2 ? 1048576 : 1024)))
        for file in s-*; do
            bytes=$(stat -c %s "$file")
            [ "$bytes" -le "$limit" ] || [ "$bytes" -le $((largest + 200000)) ]
            if [ "$bytes" -gt "$limit" ]; then # then it holds one tensor
                [ "$(od -An -tu8 -j8 -N8 "$file" | tr -d ' ')" -eq 1 ]
            fi
        done
        "$QUANTWIZ" merge s-00001-of-*.gguf back.gguf
        cmp back.gguf model.gguf
    done
}

@test "a number of tensors limits shards too" {
    "$QUANTWIZ" split "$DEMO" s --split-max-tensors 20
    for file in s-*; do
        [ "$(od -An -tu8 -j8 -N8 "$file" | tr -d ' ')" -le 20 ]
    done
    run "$QUANTWIZ" inspect s-00001-of-00003.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"8.9 MiB in 3 files"* ]]
    run "$QUANTWIZ" split "$DEMO" s --split-max-tensors 0
    [ "$status" -eq 2 ]
    run "$QUANTWIZ" split "$DEMO" s --split-max-size 12
    [ "$status" -eq 2 ]
    [[ $output == *"expected a size from 64K on"* ]]
}

@test "what fits stays one file" {
    "$QUANTWIZ" split "$DEMO" one --split-max-size 1G
    cmp one.gguf "$DEMO"
    run "$QUANTWIZ" merge one.gguf two.gguf
    [ "$status" -eq 2 ]
    [[ $output == *"as those of shards do"* ]]
}

@test "quantizing into shards makes the same tensors" {
    "$QUANTWIZ" quantize "$DEMO" whole.gguf Q4_K_M
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --split-max-size 1M --json >out.json
    grep -q '"output": "out-00001-of-00003.gguf"' out.json
    grep -q '"out-00003-of-00003.gguf"' out.json
    [ "$(cat out-*.gguf | wc -c)" -eq "$(sed -n 's/^  "bytes": \([0-9]*\),/\1/p' out.json)" ]
    "$QUANTWIZ" merge out-00001-of-00003.gguf merged.gguf
    cmp merged.gguf whole.gguf
    "$QUANTWIZ" convert out-00001-of-00003.gguf q8.gguf --type q8_0 --split-max-tensors 50
    [ -s q8-00002-of-00002.gguf ]
}

@test "killed at any moment, --resume makes the same shards" {
    "$top_builddir/tests/cli/make_model" model.gguf 512 1536 8 4000
    "$QUANTWIZ" quantize model.gguf whole.gguf Q4_K_M --split-max-size 4M --threads 2
    for wait in 0.05 0.13 0.34 0.89; do
        "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M --split-max-size 4M --threads 2 --resume >/dev/null 2>&1 3>&- &
        sleep $wait
        kill -9 $! 2>/dev/null || true
        wait $! || true
    done
    "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M --split-max-size 4M --threads 2 --resume
    for file in whole-*; do
        cmp "$file" "out${file#whole}"
    done
    [ -z "$(ls | grep -v -e '^whole-' -e '^out-' -e '^model')" ]
    [ -z "$(ls | grep 'part')" ]
}

@test "a missing shard is named" {
    "$QUANTWIZ" split "$DEMO" s --split-max-size 3M
    rm s-00002-of-00004.gguf
    run "$QUANTWIZ" merge s-00001-of-00004.gguf whole.gguf
    [ "$status" -eq 1 ]
    [[ $output == *"s-00002-of-00004.gguf: shard 2 of 4 is missing"* ]]
    [ ! -e whole.gguf ]
}

@test "shards are never written over the model that they are made from" {
    "$QUANTWIZ" split "$DEMO" s --split-max-size 3M
    cp s-00003-of-00004.gguf before
    run "$QUANTWIZ" split s-00001-of-00004.gguf s --split-max-size 3M
    [ "$status" -eq 2 ]
    [[ $output == *"is the input"* ]]
    cmp before s-00003-of-00004.gguf
}
