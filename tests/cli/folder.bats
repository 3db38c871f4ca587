# Checkpoint folders as sources: what is made of one equals what is made of the GGUF file of the same weights.

setup() {
    cd "$BATS_TEST_TMPDIR"
    "$top_builddir/tests/cli/make_folder" "$DEMO" model
}

value() { # of a key in the JSON on stdin
    sed -n "s/^  \"$1\": \(.*[^,]\),\{0,1\}$/\1/p"
}

@test "inspect, estimate and plan take a folder" {
    run "$QUANTWIZ" inspect model
    [ "$status" -eq 0 ]
    [[ $output == *"architecture   llama (Llama)"*"file type      F16"*"tokenizer      gpt2, gpt-2"* ]]
    [ "$("$QUANTWIZ" inspect model --json | value parameters)" = "$("$QUANTWIZ" inspect "$DEMO" --json | value parameters)" ]
    run "$QUANTWIZ" estimate model
    [ "$status" -eq 0 ]
    [[ $output == *"convert to F16"* ]]
    "$QUANTWIZ" plan model --level Q4_K_M -o plan.yaml
    grep -q 'path: model$' plan.yaml
}

@test "a folder becomes the file that it came from" {
    "$QUANTWIZ" convert model out.gguf f16
    "$top_builddir/tests/cli/same_tensors" "$DEMO" out.gguf
    for type in bf16 f32 q8_0; do
        "$QUANTWIZ" convert model folder.gguf $type
        "$QUANTWIZ" convert "$DEMO" file.gguf $type
        "$top_builddir/tests/cli/same_tensors" file.gguf folder.gguf
        rm folder.gguf file.gguf
    done
}

@test "quantized at once, or converted first: the same bytes" {
    "$QUANTWIZ" convert model f16.gguf
    for level in Q4_K_M Q6_K Q5_0; do
        "$QUANTWIZ" quantize model once.gguf $level
        "$QUANTWIZ" quantize f16.gguf twice.gguf $level
        cmp once.gguf twice.gguf
        rm once.gguf twice.gguf
    done
}

@test "a folder is evaluated as the file is" {
    head -c 20000 "$top_srcdir/demo/eval.txt" >text
    "$QUANTWIZ" eval model -f text -c 128 --chunks 4 --json >folder.json
    "$QUANTWIZ" eval "$DEMO" -f text -c 128 --chunks 4 --json >file.json
    [ -n "$(value ppl <folder.json)" ]
    [ "$(grep '"ppl"' folder.json)" = "$(grep '"ppl"' file.json)" ]
}

@test "shards, in any number, are one model" {
    "$QUANTWIZ" quantize model one.gguf Q4_0
    "$top_builddir/tests/cli/make_folder" "$DEMO" shards 3
    [ "$("$QUANTWIZ" inspect shards --json | value shards)" = 3 ]
    "$QUANTWIZ" quantize shards three.gguf Q4_0
    "$top_builddir/tests/cli/same_tensors" one.gguf three.gguf
    rm shards/model-00002-of-00003.safetensors
    run "$QUANTWIZ" quantize shards none.gguf Q4_0
    [ "$status" -eq 1 ]
    [[ $output == *"1 of 3 files are missing: model-00002-of-00003.safetensors"* ]]
    [ ! -e none.gguf ]
}

@test "a whole run, from a folder to the report" {
    "$QUANTWIZ" plan model --level Q5_K_M --chunks 2 -o plan.yaml
    "$QUANTWIZ" run plan.yaml
    [ -e model-Q5_K_M.gguf ]
    grep -q 'model as Q5_K_M' model-Q5_K_M.quantwiz/report.md
}

@test "a plan does not carry on with another checkpoint" {
    "$QUANTWIZ" plan model --level Q5_K_M --chunks 2 -o plan.yaml
    sed -i 's/"max_position_embeddings": 1024/"max_position_embeddings": 2048/' model/config.json
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -ne 0 ]
    [[ $output == *"is not the checkpoint that plan.yaml was made for"* ]]
}

@test "numbers that are none are found, by file and tensor" {
    offset=$(($(od -An -tu8 -N8 model/model.safetensors) + 8))
    printf '\377\377' | dd of=model/model.safetensors bs=1 seek=$((offset + 1000)) conv=notrunc 2>dd.log
    run "$QUANTWIZ" quantize model out.gguf Q4_0
    [ "$status" -eq 1 ]
    [[ $output == *"model/model.safetensors: the tensor model."*" holds NaN at row "* ]]
    [ ! -e out.gguf ]
}

@test "where a text decides, a weight that holds no numbers is rounded to nearest, with 0 for them" {
    start=$(($(od -An -tu8 -N8 model/model.safetensors) + 8))
    at=$(head -c "$start" model/model.safetensors | grep -ao '"model.layers.1.mlp.up_proj.weight":{[^}]*' |
        grep -o 'data_offsets": *\[ *[0-9]*' | grep -o '[0-9]*$')
    printf '\377\377' | dd of=model/model.safetensors bs=1 seek=$((start + at + 1000)) conv=notrunc 2>dd.log
    for out in "out.gguf Q4_0" "out gptq-int4-g64" "awq awq-int4-g64"; do
        "$QUANTWIZ" quantize model $out --calibration "$top_srcdir/demo/calibration.jsonl" --samples 4 --sample-length 64 \
            --json >made.json 2>log
        grep -q '^quantwiz: blk.1.ffn_up.weight: 1 of .* weights are NaN or infinite, and count as 0.*, and it is rounded to nearest$' log
        tr -d '\n' <made.json | grep -q '"notes": *\[[^]]*"blk.1.ffn_up.weight: 1 of [^"]* count as 0'
        grep -q "^layer 6 of 6: loss " log
        [ "$(grep -c '"layer": ' made.json)" -eq 6 ]
    done
    for out in out.gguf out awq; do
        run "$QUANTWIZ" eval $out -f "$top_srcdir/demo/eval.txt" --chunks 2
        [ "$status" -eq 0 ]
        [[ $output != *[nN]a[nN]* ]]
    done
}

@test "the output is never one of the folder's files" {
    before=$(sha256sum model/*)
    run "$QUANTWIZ" quantize model model/model.safetensors Q4_0
    [ "$status" -eq 2 ]
    [[ $output == *"is the input"* ]]
    [ "$(sha256sum model/*)" = "$before" ]
}

@test "the wizard walks over a folder" {
    mkdir out
    printf '%s\n' 'size 100 30' 'key Enter' 'save out/model' 'key Enter' 'key Enter' 'save out/estimates' >script
    TERM=xterm-256color "$QUANTWIZ" model --machine "$top_srcdir/tests/machines/workstation.yaml" --script script
    grep -q 'architecture   Llama' out/model
    grep -q 'convert to F16' out/estimates
}

@test "a folder's words are cut as its tokenizer.json says; a file's metadata say no more than llama.cpp reads" {
    sed -i 's/"normalizer": *null/"normalizer":{"type":"NFC"}/' model/tokenizer.json
    grep -q '"NFC"' model/tokenizer.json
    "$QUANTWIZ" convert model out.gguf
    run grep -ac 'quantwiz\.tokenizer' out.gguf
    [ "$output" = 0 ]
    printf 'e\314\201' >decomposed # e and an acute accent
    printf '\303\251' >composed
    [ "$("$QUANTWIZ" tokenize model -f decomposed --json)" = "$("$QUANTWIZ" tokenize model -f composed --json)" ]
    [ "$("$QUANTWIZ" tokenize out.gguf -f decomposed --json)" != "$("$QUANTWIZ" tokenize out.gguf -f composed --json)" ]
}

@test "a folder whose words are cut in an unknown way wants --pre, and a plan keeps it" {
    sed -i 's/"pre_tokenizer": *{[^}]*}/"pre_tokenizer":{"type":"Whitespace"}/' model/tokenizer.json
    sed -i 's/"decoder": *null/"decoder":{"type":"ByteLevel"}/' model/tokenizer.json
    grep -q '"Whitespace"' model/tokenizer.json
    run "$QUANTWIZ" convert model out.gguf
    [ "$status" -eq 1 ]
    [[ $output == *'pre_tokenizer that no name in GGUF is known for: {"type":"Whitespace"}'*"--pre NAME"* ]]
    [ ! -e out.gguf ]
    run "$QUANTWIZ" convert model out.gguf --pre nonsense
    [ "$status" -eq 2 ]
    [[ $output == *"unknown pre-tokenizer 'nonsense'"* ]]
    "$QUANTWIZ" convert model out.gguf --pre qwen2
    run "$QUANTWIZ" inspect out.gguf
    [[ $output == *"tokenizer      gpt2, qwen2"* ]]
    "$QUANTWIZ" plan model --level Q4_K_M --pre qwen2 --no-eval -o plan.yaml
    grep -q 'pre: qwen2$' plan.yaml
    "$QUANTWIZ" run plan.yaml
    run "$QUANTWIZ" inspect model-Q4_K_M.gguf
    [[ $output == *"tokenizer      gpt2, qwen2"* ]]
}

@test "what is no plain file is not waited for" {
    for file in config.json tokenizer.json chat_template.jinja; do
        mkdir pipes
        ln -s ../model/* pipes
        rm -f pipes/$file
        mkfifo pipes/$file
        run timeout 60 "$QUANTWIZ" inspect pipes
        [ "$status" -eq 1 ]
        [[ $output == *"cannot read pipes/$file: it is no plain file"* ]]
        rm -r pipes
    done
    mkdir texts
    mkfifo texts/a.txt
    head -c 20000 "$top_srcdir/demo/eval.txt" >texts/b.txt
    run timeout 60 "$QUANTWIZ" eval model -f texts -c 128 --chunks 1
    [ "$status" -eq 0 ]
}

@test "what an index says does not reach the terminal" {
    rm model/model.safetensors
    for file in '../\u001b]0;x\u0007' '\u001b[2J.safetensors'; do
        printf '{"weight_map": {"\\u001b[31m": "%s"}}' "$file" >model/model.safetensors.index.json
        run "$QUANTWIZ" inspect model
        [ "$status" -eq 1 ]
        [[ $output == *"quantwiz: cannot "*"?"* ]]
        [[ $output != *$'\033'* ]]
    done
    printf '{"weight_map": \033' >model/model.safetensors.index.json
    run "$QUANTWIZ" inspect model
    [[ $output == *"line 1"*"get it again"* && $output != *$'\033'* ]]
}
