# A mix of types within a budget: what is estimated is what is made, to the byte; what the list says is what the file has.

setup() {
    export XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache
    cd "$BATS_TEST_TMPDIR"
}

# A few groups are soon measured.
few_groups() {
    mkdir -p rules
    sed 's/^groups: 64/groups: 8 /' "$top_srcdir/rules/mixes.yaml" > rules/mixes.yaml
    export QUANTWIZ_RULES=$PWD/rules
}

@test "the best mix within a file's size is made as estimated, and is measured once" {
    few_groups
    run "$QUANTWIZ" plan "$DEMO" --mix --file-budget 2900000 --no-eval -o plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"the mix with the least divergence that 2.8 MiB take, predicted 0.00"* ]]
    grep -q "^  limit: 2900000" plan.yaml
    run "$QUANTWIZ" estimate "$DEMO" --mix --file-budget 2900000 --json
    [[ $output == *'"measuring_s": 0.'* ]]
    bytes=$(sed -n '/"mix": {/,$ s/.*"file_bytes": \([0-9]*\),/\1/p' <<< "$output")
    [ "$bytes" -le 2900000 ]
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [ "$(stat -c %s ./*-mix.gguf)" -eq "$bytes" ]
    grep -q -- "--tensors" ./*-mix.quantwiz/report.md
    head -n 1 ./*-mix.quantwiz/report.md | grep -q " as a mix of types about the size of I*Q"
    "$QUANTWIZ" quantize "$DEMO" again.gguf "$(sed -n 's/^  level: //p' plan.yaml)" --tensors plan.yaml
    cmp again.gguf ./*-mix.gguf
}

kld() { # FILE: mean divergence from the demo model
    "$QUANTWIZ" eval "$1" --base "$DEMO" --chunks 6 --json 2>/dev/null | sed -n 's/.*"kld_mean": \([0-9.e-]*\),.*/\1/p'
}

@test "each preset loses less than the level of its size" {
    for level in Q4_K_M Q3_K_M; do
        "$QUANTWIZ" quantize "$DEMO" $level.gguf $level
        for preset in attention ends embeddings; do
            "$QUANTWIZ" plan "$DEMO" --mix=$preset --file-budget "$(stat -c %s $level.gguf)" --no-eval -o plan.yaml
            "$QUANTWIZ" run plan.yaml
            [ "$(stat -c %s ./*-mix.gguf)" -le "$(stat -c %s $level.gguf)" ]
            awk -v preset="$(kld ./*-mix.gguf)" -v level="$(kld $level.gguf)" 'BEGIN { exit !(preset < level) }'
            rm -r ./*-mix.*
        done
    done
}

@test "a person edits the list, and the file follows" {
    "$QUANTWIZ" plan "$DEMO" --mix=ends --file-budget 2700000 --no-eval -o plan.yaml
    sed -i 's/^  blk.2.attn_v.weight: .*/  blk.2.attn_v.weight: Q8_0/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    run "$QUANTWIZ" inspect ./*-mix.gguf --tensors
    [[ $output == *"blk.2.attn_v.weight"*"Q8_0"* ]]
    sed -i 's/^  blk.2.attn_v.weight: .*/  blk.2.attn_v.weight: Q9/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"plan.yaml:"*"expected a tensor type that can be made, such as Q6_K for 'blk.2.attn_v.weight'"* ]]
    printf 'tensors:\n  blk.9.attn_v.weight: Q8_0\n' > list.yaml
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --tensors list.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"the list of tensors has Q8_0 for blk.9.attn_v.weight, which cannot be: the model has no tensor"* ]]
    printf 'tensors:\n  output_norm.weight: Q8_0\n' > list.yaml
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --tensors list.yaml
    [ "$status" -eq 2 ]
    [ ! -e out.gguf ]
}

@test "too small a budget: exit status 4 and the smallest size, which can be had" {
    run "$QUANTWIZ" estimate "$DEMO" --mix=attention --file-budget 1000000
    [ "$status" -eq 4 ]
    smallest=$(sed -n 's/.*(\([0-9]*\) bytes).*/\1/p' <<< "$output")
    [ "$smallest" -gt 1000000 ]
    "$QUANTWIZ" estimate "$DEMO" --mix=attention --file-budget "$smallest"
    run "$QUANTWIZ" estimate "$DEMO" --mix=attention --file-budget $((smallest - 1))
    [ "$status" -eq 4 ]
    run "$QUANTWIZ" estimate "$DEMO" --mix=attention --fit cpu --budget 10MiB
    [ "$status" -eq 4 ]
    [[ $output == *"the smallest mix takes "*" in memory, which does not fit"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --mix=attention --file-budget 3000000 --runtime tensorrt-llm
    [ "$status" -eq 2 ]
    [[ $output == *"a mix is a GGUF file, and nothing says that TensorRT-LLM reads those"* ]]
}

@test "what remains of the memory after cache and buffers is what the mix may take" {
    before=0
    for budget in 17500KiB 18MiB 19MiB; do
        run "$QUANTWIZ" estimate "$DEMO" --mix=embeddings --fit cpu --budget $budget --ctx 1024 --json
        [ "$status" -eq 0 ]
        [[ $output == *'"recommended": "mix"'* ]]
        bytes=$(sed -n '/"mix": {/,$ s/.*"file_bytes": \([0-9]*\),/\1/p' <<< "$output")
        [ "$bytes" -gt "$before" ]
        before=$bytes
    done
    run "$QUANTWIZ" estimate "$DEMO" --mix=embeddings --fit cpu --budget 18MiB --ctx 512 --json
    [ "$(sed -n '/"mix": {/,$ s/.*"file_bytes": \([0-9]*\),/\1/p' <<< "$output")" -gt 3700000 ]
}

@test "another level than the mix's has types of its own; another method keeps the list" {
    "$QUANTWIZ" plan "$DEMO" --mix=ends --file-budget 2700000 --no-eval -o plan.yaml
    cat >> plan.yaml <<END
variants:
  - {level: Q6_K}
  - {method: nearest, calibration: general}
END
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    run "$QUANTWIZ" inspect ./*-Q6_K.gguf
    [[ $output == *"13 F32, 43 Q6_K"* ]]
    cmp <(grep -A50 '^tensors:' plan.yaml | grep blk) <(grep -A50 '^tensors:' ./*-mix-nearest*.quantwiz/plan.yaml | grep blk)
    grep -q "Types of tensors: as plan.yaml lists them" ./*-mix-nearest*.quantwiz/report.md
}

@test "a level that was chosen instead of the mix is planned as if none had been wished for" {
    "$QUANTWIZ" plan "$DEMO" --mix=ends --file-budget 2700000 --level Q6_K --no-eval -o plan.yaml
    grep -q "^  level: Q6_K" plan.yaml
    ! grep -q "^tensors:" plan.yaml
    ! grep -q "name: file-budget" plan.yaml
    grep -A2 "name: mix" plan.yaml | tr -d '\n' | grep -q "value: .no. *from: default"
}

@test "a mix is compared with levels as the mix that it is" {
    "$QUANTWIZ" plan "$DEMO" --mix=ends --file-budget 2700000 --compare Q6_K --chunks 1 -o plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    cmp <(grep -A50 '^tensors:' plan.yaml | grep blk) <(grep -A50 '^tensors:' ./*-mix.quantwiz/plan.yaml | grep blk)
    [ "$(stat -c %s ./*-mix.gguf)" -le 2700000 ]
    run "$QUANTWIZ" inspect ./*-Q6_K.gguf
    [[ $output == *"13 F32, 43 Q6_K"* ]]
}
