# quantwiz estimate: the table, its JSON, the arithmetic, and that what it promises is what quantizing makes.

value() { # value LEVEL KEY: of a row in the JSON in $output
    awk -v level="\"$1\"," -v key="\"$2\":" '
        $1 == "\"level\":" { row = $2 == level }
        row && $1 == key { sub(/^[^:]*: /, ""); sub(/,$/, ""); print; exit }' <<<"$output"
}

levels() { # all of them, in the order of the rows
    sed -n 's/^ *"level": "\(.*\)",$/\1/p' <<<"$output"
}

@test "estimate lists the levels, the recommended one with a star, and says why" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB
    [ "$status" -eq 0 ]
    [[ $output == *"level"*"bpw"*"file"*"weights"*"KV"*"total"*"tokens/s"*"loss"*"verdict"* ]]
    [[ $output == *"* F16"*"as it is"* ]]
    [[ $output == *"keep F16: a model of 4.59M is small as it is"* ]]
    [[ $output == *"x Q2_K: below Q3 a model of 4.59M falls apart; never under 13B parameters  [decisions.yaml:"* ]]
}

@test "estimate --json has the documented keys" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB --ctx 512 --json
    [ "$status" -eq 0 ]
    [[ $output == *'"context": 512,'*'"kv_type": "f16",'*'"warnings": ['*'"recommended": "F16",'* ]]
    [ "$(levels | wc -l)" -eq 21 ]
    for key in level format bits_per_weight file_bytes weights_bytes kv_bytes compute_bytes overhead_bytes total_bytes \
        gpu_layers tokens_per_s expected_loss verdict reasons recommended; do
        for level in $(levels); do
            [ -n "$(value "$level" "$key")" ] || { echo "$level has no $key"; return 1; }
        done
    done
    [ "$(value Q4_K_M expected_loss)" = null ] # nobody published any for so small a model
    [ "$(value Q4_K_M kv_bytes)" -eq 1572864 ]
    [ "$(value Q2_K forbidden)" = true ]
}

@test "the estimated size is that of the file which quantize makes, for every level" {
    run "$QUANTWIZ" estimate "$DEMO" --json
    for level in $(levels); do
        said=$("$QUANTWIZ" quantize "$DEMO" "$BATS_TEST_TMPDIR/$level.gguf" "$level" 2>&1 >/dev/null) || {
            [[ $said == *"not made without an importance matrix"* ]] # whose name the file's metadata would have
            continue
        }
        [ "$(stat -c %s "$BATS_TEST_TMPDIR/$level.gguf")" -eq "$(value "$level" file_bytes)" ] ||
            { echo "$level is not of $(value "$level" file_bytes) bytes"; return 1; }
        rm "$BATS_TEST_TMPDIR/$level.gguf"
    done
}

@test "other machines are replayed" {
    run "$QUANTWIZ" estimate "$DEMO" --machine "$top_srcdir/tests/machines/workstation.yaml" --json
    [ "$status" -eq 0 ]
    [ "$(value Q8_0 gpu_layers)" -eq 7 ]
    [ "$(value Q8_0 verdict)" = '"fits"' ]
    run "$QUANTWIZ" estimate "$DEMO" --machine "$top_srcdir/tests/machines/edge-pi5.yaml" --use-case edge
    [ "$status" -eq 0 ]
    [[ $output == *"* Q3_K_S"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --machine "$top_srcdir/tests/machines/unknown.yaml" --json
    [ "$status" -eq 0 ]
    [ "$(value Q8_0 verdict)" = '"unknown"' ]
    [ "$(value Q8_0 tokens_per_s)" = null ]
}

@test "estimate --explain shows the arithmetic" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB --ctx 4096 --explain q4_k_m
    [ "$status" -eq 0 ]
    [[ $output == *"6 layers: 4 heads x (32 + 32) values in f16 = 512 B a token, x 4096 cells x 1 sequences = 12.0 MiB"* ]]
    [[ $output == *"laid out as the runtime does, reusing what is free: 12.5 MiB"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --ctx 4096 --flash-attention off --explain Q4_K_M
    [[ $output == *"scores, since there is no flash attention: 4096 cells x 512 tokens x 8 heads x 4 B = 64.0 MiB"* ]]
    [[ $output == *"laid out as the runtime does, reusing what is free: 75.0 MiB"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --explain Q9
    [ "$status" -eq 2 ]
    [[ $output == *"there is no quant level 'Q9'"* ]]
}

@test "a total beyond what may be used can fit: it says which part of it need not be there" {
    local office=(--machine "$top_srcdir/tests/machines/cpu-only.yaml" --fit cpu --budget 19MiB --ctx 1024)
    run "$QUANTWIZ" estimate "$DEMO" "${office[@]}"
    [ "$status" -eq 0 ]
    [[ $output == *"Q4_K_M "*" 19.1 MiB "*"fits: 17.3 MiB of 19.0 MiB of RAM, 1.7 MiB to spare; the other 1.7 MiB are pages of the file, which may be dropped"* ]]
    run "$QUANTWIZ" estimate "$DEMO" "${office[@]}" --explain Q4_K_M
    [[ $output == *"of the RAM, 1.7 MiB ("*" B) are pages of the file, which may be dropped once the copy is made; 17.3 MiB ("*" B) must fit"* ]]
}

@test "nothing fits: exit status 4, and what to try" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1MiB
    [ "$status" -eq 4 ]
    [[ $output == *"too big: needs"* ]]
    [[ $output == *"quantwiz: nothing fits, whatever else is changed: take a smaller model"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --runtime tensorrt-llm
    [ "$status" -eq 4 ]
    [[ $output == *"TensorRT-LLM does not read gguf files"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --runtime tgi # nobody has told: unknown is not no
    [ "$status" -eq 4 ]
    [[ $output == *"unknown: nothing here says whether Text Generation Inference reads gguf files"* ]]
}

@test "levers: what helps is listed, the cheapest first, and helps when it is taken" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 17MiB --ctx 1024
    [ "$status" -eq 4 ]
    [[ $output == *"nothing fits; --kv-type q8_0 makes "*" fit"* ]]
    [[ $output == *"  1 the KV cache in q8_0 (--kv-type q8_0), halved almost without loss: 1.4 MiB less, 0.04 % more loss; then "* ]]
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 17MiB --ctx 1024 --json
    [[ $output == *'"levers_to_fit": ['*'"name": "kv-q8_0",'*'"wish": "kv-type",'*'"value": "q8_0",'*'"gain_bytes": 1474560,'* ]]
    [[ $output == *'"loss": 0.0004,'*'"enough": true,'*'"together": false,'*'"rule": "levers.yaml:'* ]]
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 17MiB --ctx 1024 --kv-type q8_0
    [ "$status" -eq 0 ]
}

@test "doubts whether to quantize at all come before the rows, with their numbers" {
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB --ctx 1024 --min-speed 0.1 --parallel 4
    [ "$status" -eq 0 ]
    [[ $output == *"? a model of 4.59M fits as it is, "*" of 1.0 GiB"*"necessity.yaml:"* ]]
    [[ $output == *"? the KV cache takes 12.0 MiB, the weights only 8.8 MiB"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB --json
    [[ $output == *'"when_not_to_quantize": ['*'"sign": "?",'*'"rule": "necessity.yaml:'* ]]
}

@test "wrong wishes: exit status 2" {
    run "$QUANTWIZ" estimate "$DEMO" --kv-type q3
    [ "$status" -eq 2 ]
    [[ $output == *"--kv-type: KV cache type: expected one of f16, q8_0, q4_0, found 'q3'"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --kv-type q8_0 --flash-attention off
    [ "$status" -eq 2 ]
    [[ $output == *"--kv-type q8_0 wants flash attention"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --machine "$top_srcdir/tests/machines/workstation-2gpu.yaml" --runtime vllm \
        --tensor-parallel 4
    [ "$status" -eq 2 ]
    [[ $output == *"--tensor-parallel 4: this machine has 2 GPUs"* ]]
    run "$QUANTWIZ" estimate "$DEMO" --mix=most
    [ "$status" -eq 2 ]
    [[ $output == *"expected one of no, measured, attention, ends, embeddings, found 'most'"* ]]
}

@test "a person's own rules override ours, and their mistakes are named" {
    mkdir -p "$BATS_TEST_TMPDIR/config/quantwiz/rules" "$BATS_TEST_TMPDIR/rules"
    sed 's/levels: Q4_K_M/levels: Q4_0/; s/prefer: 10$/prefer: 500/' "$top_srcdir/rules/decisions.yaml" \
        > "$BATS_TEST_TMPDIR/config/quantwiz/rules/decisions.yaml"
    XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config run "$QUANTWIZ" estimate "$DEMO" --fit cpu --budget 1GiB
    [ "$status" -eq 0 ]
    [[ $output == *"* Q4_0"* ]]
    printf 'schema: 1\ndecisions:\n  - name: x\n    why: "{hue}"\n    source: y\n    prefer: 1\n' \
        > "$BATS_TEST_TMPDIR/rules/decisions.yaml"
    QUANTWIZ_RULES=$BATS_TEST_TMPDIR/rules run "$QUANTWIZ" estimate "$DEMO"
    [ "$status" -eq 2 ]
    [[ $output == *"decisions.yaml:4: expected a text whose {figures} are known for 'why', found '{hue}'"* ]]
}

folder() { # the demo model as the checkpoint folder that it could have come from
    make_folder="$top_builddir/tests/cli/make_folder"
    [ -d "$BATS_TEST_TMPDIR/demo-hf" ] || "$make_folder" "$DEMO" "$BATS_TEST_TMPDIR/demo-hf"
    folder=$BATS_TEST_TMPDIR/demo-hf
}

@test "a folder's formats are candidates where the runtime reads them" {
    folder
    run "$QUANTWIZ" estimate "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" --json
    [ "$status" -eq 0 ]
    for level in original gptq-int8-g128 bnb-int8 fp8 w8a8 gptq-int4-g128 awq-int4-g128 w4a16-g128 nf4 fp4 Q4_K_M; do
        [ -n "$(value "$level" file_bytes)" ] || { echo "no row $level"; return 1; }
    done
    [ "$(value awq-int4-g128 format)" = '"awq"' ]
    [ "$(value nf4 format)" = '"bitsandbytes"' ]
    [ "$(value original source)" = true ]
    [ "$(value original file_bytes)" -eq "$(stat -c %s "$folder/model.safetensors")" ]
    [ -z "$(value BF16 file_bytes)" ]
    run "$QUANTWIZ" estimate "$folder" --runtime llama.cpp --json
    [ -z "$(value awq-int4-g128 file_bytes)" ]
    run "$QUANTWIZ" estimate "$DEMO" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml"
    [[ $output != *"awq-int4"*"bpw"* ]]
    [[ $output == *"Mind: a GGUF file cannot become AWQ, GPTQ, FP8"*"vLLM"* ]]
}

@test "the estimated size is that of the files which are made, for every format of folders" {
    folder
    "$make_folder" "$DEMO" "$BATS_TEST_TMPDIR/parts" 3
    for from in "$folder" "$BATS_TEST_TMPDIR/parts"; do
        run "$QUANTWIZ" estimate "$from" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" --json
        for level in gptq-int8-g128 bnb-int8 fp8 w8a8 gptq-int4-g128 awq-int4-g128 w4a16-g128 nf4 fp4; do
            out=$BATS_TEST_TMPDIR/made
            "$QUANTWIZ" quantize "$from" "$out" "$level" --method nearest >/dev/null 2>&1
            bytes=$(cat "$out"/*.safetensors | wc -c)
            [ "$bytes" -eq "$(value "$level" file_bytes)" ] ||
                { echo "$level takes $bytes bytes, not $(value "$level" file_bytes)"; return 1; }
            rm -r "$out"
        done
    done
}

@test "the page says which kernel serves a folder, and what a CPU cannot do" {
    folder
    run "$QUANTWIZ" estimate "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" \
        --use-case creative
    [ "$status" -eq 0 ]
    [[ $output == *"* awq-int4-g128"* ]]
    [[ $output == *"Marlin for AWQ multiplies it  [kernels.yaml:"* ]]
    run "$QUANTWIZ" estimate "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" \
        --explain awq-int4-g128
    [[ $output == *"42 linear layers, 3.54M values = 1.8 MiB (1838592 B), 4.16 bits each"*".qzeros"* ]]
    run "$QUANTWIZ" estimate "$folder" --runtime vllm --fit cpu --budget 4GiB
    [[ $output == *"x awq-int4-g128: "*"a GPU"* ]]
    run "$QUANTWIZ" estimate "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/unknown-gpu.yaml"
    [[ $output == *"Mind: the compute capability of the GPU is unknown"* ]]
}

@test "a plan for a folder names folder, format and kernel; what cannot be stored is refused" {
    folder
    run "$QUANTWIZ" plan "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" \
        --level gptq-int4 -o -
    [ "$status" -eq 0 ]
    [[ $output == *"level: gptq-int4-g128"*"format: gptq"*"kernel: Marlin"*"artefact: demo-hf-gptq-int4-g128"* ]]
    cd "$BATS_TEST_TMPDIR"
    run "$QUANTWIZ" plan "$folder" --runtime vllm --machine "$top_srcdir/tests/machines/workstation.yaml" \
        --level gptq-int3 -o plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"Mind: no kernel of vLLM for gptq takes it"*"Mind: Marlin cannot take it: it does not take 3 bits"* ]]
    run "$QUANTWIZ" plan "$folder" --runtime vllm --level original -o -
    [ "$status" -eq 2 ]
    [[ $output == *"nothing has to be made: 'original' is"* ]]
    run "$QUANTWIZ" plan "$DEMO" --level awq-int4 -o -
    [ "$status" -eq 2 ]
    [[ $output == *"start from the folder that it was made of"* ]]
}
