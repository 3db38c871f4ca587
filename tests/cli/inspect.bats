# quantwiz inspect: the demo model, and files that are none.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

value() { # of a key in the JSON on stdin
    sed -n "s/^  \"$1\": \(.*[^,]\),\{0,1\}$/\1/p"
}

@test "inspect says what the demo model is" {
    run "$QUANTWIZ" inspect "$DEMO"
    [ "$status" -eq 0 ]
    [[ $output == *"architecture   llama (Llama)"* ]]
    [[ $output == *"parameters     4.59M (4590848)"* ]]
    [[ $output == *"tensors        13 F32, 43 F16"* ]]
    [[ $output == *"! there is no chat template"* ]]
    [[ $output != *"blk.0.attn_q.weight"* ]]
}

@test "inspect --tensors lists them" {
    run "$QUANTWIZ" inspect "$DEMO" --tensors
    [ "$status" -eq 0 ]
    [[ $output == *"blk.5.ffn_down.weight"*"512 x 256"*"F16"*"262144"* ]]
}

@test "inspect --json has the promised keys" {
    run "$QUANTWIZ" inspect "$DEMO" --json
    [ "$status" -eq 0 ]
    [ "$(value architecture <<<"$output")" = '"llama"' ]
    [ "$(value parameters <<<"$output")" = 4590848 ]
    [ "$(value context_length <<<"$output")" = 1024 ]
    [ "$(value file_bytes <<<"$output")" = "$(stat -c %s "$DEMO")" ]
    [ "$(value chat_template <<<"$output")" = false ]
    [ "$(grep -c '"name": "blk\.' <<<"$output")" -eq 54 ]
}

@test "the fingerprint does not depend on the path" {
    cp "$DEMO" copy.gguf
    a=$("$QUANTWIZ" inspect "$DEMO" --json | value fingerprint)
    b=$("$QUANTWIZ" inspect copy.gguf --json | value fingerprint)
    [ -n "$a" ]
    [ "$a" = "$b" ]
}

@test "a download that stopped early is an error that names the tensor" {
    head -c 4000000 "$DEMO" >cut.gguf
    run "$QUANTWIZ" inspect cut.gguf
    [ "$status" -eq 1 ]
    [[ $output == *"cannot read cut.gguf: offset "*", tensor "*"the file ends at 4000000"* ]]
}

@test "a file that is no GGUF is an error that says what it is" {
    printf 'PK\003\004 and so on' >model.bin
    run "$QUANTWIZ" inspect model.bin
    [ "$status" -eq 1 ]
    [[ $output == *"model.bin: it is a ZIP archive"* ]]
}

@test "a missing file, a folder and no operand" {
    run "$QUANTWIZ" inspect nowhere.gguf
    [ "$status" -eq 1 ]
    [[ $output == *"cannot open nowhere.gguf: No such file"* ]]
    run "$QUANTWIZ" inspect .
    [ "$status" -eq 1 ]
    [[ $output == *"it has no config.json"* ]]
    run "$QUANTWIZ" inspect
    [ "$status" -eq 2 ]
}

@test "a name with control characters does not reach the terminal" {
    cp "$DEMO" evil.gguf
    offset=$(grep -obaF 'quantwiz demo' evil.gguf | head -1 | cut -d: -f1)
    printf '\033]0;x\007' | dd of=evil.gguf bs=1 seek="$offset" conv=notrunc status=none
    run "$QUANTWIZ" inspect evil.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"?]0;x?"* ]]
    [[ $output != *$'\033'* ]]
}
