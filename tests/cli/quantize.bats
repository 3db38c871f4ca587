# quantwiz quantize and convert: what they make, what they refuse, and that nothing stops them for good.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

make_model() {
    "$top_builddir/tests/cli/make_model" "$@"
}

value() { # of a key in the JSON on stdin
    sed -n "s/^  \"$1\": \(.*[^,]\),\{0,1\}$/\1/p"
}

left_behind() {
    ls | grep -v '^model' || true
}

@test "a quantized model opens, with the level's types and size" {
    run "$QUANTWIZ" quantize "$DEMO" "out.gguf" q4_k_m
    [ "$status" -eq 0 ]
    [[ $output == *"Q4_K_M: "*"bits per weight"* ]]
    run "$QUANTWIZ" inspect out.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"Q4_K"*"Q6_K"* ]]
    [ "$(left_behind)" = out.gguf ]
}

@test "--json has the promised keys" {
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --json --threads 2 >out.json
    [ "$(value output <out.json)" = '"out.gguf"' ]
    [ "$(value bytes <out.json)" -eq "$(stat -c %s out.gguf)" ]
    [ "$(value threads <out.json)" -eq 2 ]
    [ "$(value peak_rss_bytes <out.json)" -gt 1000000 ]
    [ "$(value peak_private_bytes <out.json)" -lt 400000000 ]
    [ "$(grep -c '"rmse": 0.0[0-9]' out.json)" -gt 40 ]
    grep -q '"seconds": [0-9.]*' out.json
    grep -q '"fallbacks": \[\]' out.json
}

@test "any number of threads makes the same file" {
    make_model model.gguf 256 640 4 1000
    for level in Q4_K_M Q6_K Q5_1 IQ4_NL; do
        for threads in 1 2 3; do
            "$QUANTWIZ" quantize model.gguf out$threads.gguf $level --threads $threads
        done
        cmp out1.gguf out2.gguf
        cmp out1.gguf out3.gguf
    done
}

@test "conversions to wider types and back lose nothing" {
    "$QUANTWIZ" convert "$DEMO" wide.gguf --type f32
    "$QUANTWIZ" convert wide.gguf back.gguf
    "$QUANTWIZ" quantize "$DEMO" copy.gguf F16
    cmp back.gguf copy.gguf
    run "$QUANTWIZ" convert "$DEMO" x.gguf --type q4_k_m
    [ "$status" -eq 2 ]
    [[ $output == *"expected f16, bf16, f32 or q8_0"* ]]
}

@test "--dry-run prints the plan and writes nothing" {
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --dry-run
    [ "$status" -eq 0 ]
    [[ $output == *"blk.0.ffn_down.weight"*"F16"*"Q6_K"* ]]
    [ -z "$(left_behind)" ]
    planned=$("$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --dry-run --json | value bytes)
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M
    [ "$planned" -eq "$(stat -c %s out.gguf)" ]
}

@test "options choose types by name, by role, or for all" {
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --tensor-type 'blk\.[01]\.attn_q=Q8_0' --tensor-type attn_q=Q5_K \
        --token-embedding-type F16 --json >out.json
    type_of() { grep -A2 "\"name\": \"$1\"" out.json | sed -n 's/.*"to": "\(.*\)",/\1/p'; }
    [ "$(type_of blk.1.attn_q.weight)" = Q8_0 ]
    [ "$(type_of blk.2.attn_q.weight)" = Q5_K ]
    [ "$(type_of token_embd.weight)" = F16 ]
    "$QUANTWIZ" quantize "$DEMO" pure.gguf Q4_K_M --pure --json >out.json
    [ "$(type_of blk.0.ffn_down.weight)" = Q4_K ]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --tensor-type attn_q
    [ "$status" -eq 2 ]
    [[ $output == *"expected REGEX=TYPE"* ]]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --tensor-type 'attn_q=Q9_Z'
    [ "$status" -eq 2 ]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_X
    [ "$status" -eq 2 ]
    [[ $output == *"Q4_K_M"* ]]
}

@test "fallbacks are listed, and refused with --strict" {
    make_model model.gguf 96 160 1 100
    run "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M
    [ "$status" -eq 0 ]
    [[ $output == *"blk.0.attn_q.weight"*"Q4_K"*"-> Q5_0"* ]]
    rm out.gguf
    run "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M --strict
    [ "$status" -eq 1 ]
    [[ $output == *"blk.0.attn_q.weight"* ]]
    [[ $output == *"--strict allows no others"* ]]
    [ -z "$(left_behind)" ]
    "$QUANTWIZ" quantize model.gguf out.gguf Q8_0 --strict
}

@test "what this version cannot do it says" {
    run "$QUANTWIZ" convert . out.gguf
    [ "$status" -eq 1 ]
    [[ $output == *"it has no config.json"* ]]
}

@test "paths with blanks, quotes and other alphabets" {
    mkdir "mein Ordner" && cp "$DEMO" "mein Ordner/モデル'é.gguf"
    run "$QUANTWIZ" quantize "mein Ordner/モデル'é.gguf" "mein Ordner/aus gabe.gguf" Q8_0
    [ "$status" -eq 0 ]
    [ -s "mein Ordner/aus gabe.gguf" ]
}

@test "the input is never the output, by any name" {
    cp "$DEMO" model.gguf
    ln -s model.gguf model-link.gguf
    ln model.gguf model-hard.gguf
    for out in model.gguf ./model.gguf model-link.gguf model-hard.gguf; do
        run "$QUANTWIZ" quantize model.gguf $out Q8_0
        [ "$status" -eq 2 ]
        [[ $output == *"is the input"* ]]
    done
    cmp model.gguf "$DEMO"
}

@test "places that cannot be written are named" {
    run "$QUANTWIZ" quantize "$DEMO" nowhere/out.gguf Q8_0
    [ "$status" -eq 1 ]
    [[ $output == *"there is no folder nowhere"* ]]
    run "$QUANTWIZ" quantize "$DEMO" . Q8_0
    [ "$status" -eq 2 ]
    mkdir locked && chmod 555 locked
    if [ "$(id -u)" -ne 0 ]; then # root may write anywhere
        run "$QUANTWIZ" quantize "$DEMO" locked/out.gguf Q8_0
        [ "$status" -eq 1 ]
        [[ $output == *"locked cannot be written"* ]]
    fi
    chmod 755 locked
    run "$QUANTWIZ" quantize "$DEMO" /proc/out.gguf Q8_0
    [ "$status" -eq 1 ]
    [[ $output == *"/proc/out.gguf"* ]]
}

@test "a full disk leaves nothing behind" {
    # A limit on file sizes looks to a program like a disk without room for this file.
    run bash -c "ulimit -f 1000; exec '$QUANTWIZ' quantize '$DEMO' out.gguf Q8_0"
    [ "$status" -eq 1 ]
    [[ $output == *"out.gguf.part"*"File too large"* ]]
    [ -z "$(left_behind)" ]
}

@test "damaged inputs are refused before anything is written" {
    head -c 5000000 "$DEMO" >model-cut.gguf
    run "$QUANTWIZ" quantize model-cut.gguf out.gguf Q8_0
    [ "$status" -eq 1 ]
    [[ $output == *"model-cut.gguf"* ]]
    echo "no model" >model-text.gguf
    run "$QUANTWIZ" quantize model-text.gguf out.gguf Q8_0
    [ "$status" -eq 1 ]
    run "$QUANTWIZ" quantize model-missing.gguf out.gguf Q8_0
    [ "$status" -eq 1 ]
    [ -z "$(left_behind)" ]
}

@test "killed at any moment, --resume makes the same file" {
    make_model model.gguf 512 1536 8 4000
    "$QUANTWIZ" quantize model.gguf whole.gguf Q4_K_M --threads 2
    for wait in 0.02 0.05 0.08 0.13 0.21 0.34 0.55 0.89 1.4; do
        "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M --threads 2 --resume >/dev/null 2>&1 3>&- &
        sleep $wait
        kill -9 $! 2>/dev/null || true
        wait $! || true
        [ ! -e out.gguf ] || cmp whole.gguf out.gguf
    done
    "$QUANTWIZ" quantize model.gguf out.gguf Q4_K_M --threads 2 --resume
    cmp whole.gguf out.gguf
    rm whole.gguf out.gguf
    [ -z "$(left_behind)" ]
}

@test "Ctrl-C stops cleanly with 130, and says how to go on" {
    make_model model.gguf 512 1536 8 4000
    "$QUANTWIZ" quantize model.gguf out.gguf Q2_K --threads 1 >out.txt 2>&1 3>&- &
    for _ in $(seq 600); do
        [ -e out.gguf.part ] && break
        sleep 0.05
    done
    kill -TERM $!
    status=0
    wait $! || status=$?
    [ "$status" -eq 130 ]
    [ ! -e out.gguf ]
    grep -q interrupted out.txt
}

divergence() { # of a file from the demo model
    "$QUANTWIZ" eval "$1" --base "$DEMO" --chunks 3 --max-loss 100% --json | value kld_mean
}

@test "with a calibration text a file of the same size loses far less" {
    text=$top_srcdir/demo/calibration.jsonl
    "$QUANTWIZ" quantize "$DEMO" near.gguf Q4_0
    "$QUANTWIZ" quantize "$DEMO" fed.gguf Q4_0 --calibration "$text" --sample-length 256
    [ "$(stat -c %s near.gguf)" -eq "$(stat -c %s fed.gguf)" ]
    fed=$(divergence fed.gguf) near=$(divergence near.gguf)
    echo "$fed beside $near"
    awk -v a="$fed" -v b="$near" 'BEGIN { exit !(a > 0 && a < 0.7 * b) }'
    "$QUANTWIZ" quantize "$DEMO" one.gguf Q4_0 --calibration "$text" --sample-length 256 --threads 1
    cmp fed.gguf one.gguf
    [ "$(left_behind | tr '\n' ' ')" = "fed.gguf near.gguf one.gguf " ]
}

@test "a calibration text that is too short or missing is said before any work" {
    echo "too short" >short.txt
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_0 --calibration short.txt
    [ "$status" -eq 2 ]
    [[ $output == *"short.txt has "*"tokens, and a chunk takes 512"* ]]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_0 --calibration none.txt
    [ "$status" -eq 1 ]
    [ "$(left_behind)" = short.txt ]
}

by_text=(Q4_0 --calibration "$top_srcdir/demo/calibration.jsonl" --sample-length 128)

# whole.gguf: what nobody interrupts, made once for all tests
whole_by_text() {
    local made=$BATS_FILE_TMPDIR/whole.gguf
    [ -e "$made" ] || "$QUANTWIZ" quantize "$DEMO" "$made" "${by_text[@]}"
    cp "$made" whole.gguf
}

# start_by_text OUT: in the background; waits for its line about layer 2
start_by_text() {
    "$QUANTWIZ" quantize "$DEMO" "$1" "${by_text[@]}" >out.txt 2>&1 3>&- &
    for _ in $(seq 600); do
        ! grep -q "^layer 2 of 6: loss " out.txt || break
        sleep 0.05
    done
}

@test "killed between layers, --resume goes on with the finished ones and makes the same file" {
    whole_by_text
    start_by_text out.gguf
    kill -9 $!
    wait $! || true
    [ -e out.gguf.part.layers ]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --resume
    [ "$status" -eq 0 ]
    [[ $output == *"layer 1 of 6: loss "*", made before"* ]]
    cmp whole.gguf out.gguf
    # What another text has decided is of no use.
    start_by_text out.gguf
    kill -9 $!
    wait $! || true
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --samples 3 --resume
    [ "$status" -eq 0 ]
    [[ $output != *"made before"* ]]
    ! cmp -s whole.gguf out.gguf
    rm out.txt
    [ "$(left_behind | tr '\n' ' ')" = "out.gguf whole.gguf " ]
}

@test "Ctrl-C between layers keeps them, and says how to go on" {
    start_by_text out.gguf
    kill -TERM $!
    status=0
    wait $! || status=$?
    [ "$status" -eq 130 ]
    grep -q "what was finished is kept, --resume goes on with it" out.txt
    [ -e out.gguf.part.layers ]
    [ ! -e out.gguf ]
}

# needs OPTION...: the MiB that going through the layers takes, as it says when it is refused.
needs() {
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" "$@" --memory 10MiB
    [ "$status" -eq 4 ]
    sed -n 's/.*needs \([0-9]*\)\.[0-9]* MiB of memory.*/\1/p' <<<"$output"
}

@test "memory that does not suffice is said before any work, with what would" {
    by_text=(Q4_0 --calibration "$top_srcdir/demo/calibration.jsonl")
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --memory 20MiB
    [ "$status" -eq 4 ]
    [[ $output == *"20.0 MiB are available"*"--method nearest"* ]]
    memory=$(($(needs --sample-length 2048) - 10))MiB
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --memory "$memory" --sample-length 2048
    [ "$status" -eq 4 ]
    echo "$output"
    length=$(sed -n 's/.*(--sample-length \([0-9]*\)) it would fit.*/\1/p' <<<"$output")
    [ -z "$(left_behind)" ]
    "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --memory "$memory" --sample-length "$length"
}

@test "activations that do not fit in memory go through a file, and the result is the same" {
    whole_by_text
    run "$QUANTWIZ" quantize "$DEMO" out.gguf "${by_text[@]}" --memory $(($(needs) + 1))MiB
    [ "$status" -eq 0 ]
    [[ $output == *"do not fit in memory: they go through a file"* ]]
    cmp whole.gguf out.gguf
}

@test "a disk without room for finished layers leaves nothing behind" {
    run bash -c "ulimit -f 1000; exec '$QUANTWIZ' quantize '$DEMO' out.gguf Q4_0 --calibration \
        '$top_srcdir/demo/calibration.jsonl' --sample-length 128"
    [ "$status" -eq 1 ]
    [[ $output == *"out.gguf.part.layers"*"File too large"* ]]
    [ -z "$(left_behind)" ]
}

@test "--method nearest takes from the text what counts" {
    text=$top_srcdir/demo/calibration.jsonl
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_0 --calibration "$text" --sample-length 256 --method nearest
    "$QUANTWIZ" imatrix "$DEMO" -f "$text" -c 256 --chunks 128 -o im.gguf
    run "$QUANTWIZ" quantize "$DEMO" by-file.gguf Q4_0 --imatrix im.gguf
    "$QUANTWIZ" inspect out.gguf --tensors
    a=$(divergence out.gguf) b=$(divergence by-file.gguf)
    echo "$a $b"
    [ "$a" = "$b" ]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_0 --method feedback
    [ "$status" -eq 2 ]
    [[ $output == *"--calibration FILE"* ]]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_0 --method best
    [ "$status" -eq 2 ]
}

@test "importance makes another file of the same size, which says so, and what it lacks is said first" {
    "$QUANTWIZ" imatrix "$DEMO" -f "$top_srcdir/demo/eval.txt" --chunks 4 -o im.gguf
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --imatrix im.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"importance: 42 of 43 weights, from im.gguf (4 chunks)"*"token_embd.weight: not in the file"* ]]
    strings -n 8 out.gguf | grep -q quantize.imatrix.chunks_count
    "$QUANTWIZ" quantize "$DEMO" plain.gguf Q4_K_M
    ! cmp -s out.gguf plain.gguf
    "$QUANTWIZ" quantize "$DEMO" one.gguf Q4_K_M --imatrix im.gguf --threads 1
    cmp out.gguf one.gguf
}

@test "a file of importance of another model is refused" {
    make_model model.gguf 256 512 2 1000
    "$QUANTWIZ" imatrix "$DEMO" -f "$top_srcdir/demo/eval.txt" --chunks 1 -o im.gguf
    sed -i 's/blk\.\(.\)\./bla.\1./g' im.gguf
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --imatrix im.gguf
    [ "$status" -eq 2 ]
    [[ $output == *"of none in this model"* ]]
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q4_K_M --imatrix "$DEMO"
    [ "$status" -eq 2 ]
    [[ $output == *"not of importance"* ]]
    [ ! -e out.gguf ]
}

@test "what needs importance is refused without, and what to run is said" {
    run "$QUANTWIZ" quantize "$DEMO" out.gguf Q2_K_S
    [ "$status" -eq 2 ]
    [[ $output == *"quantwiz imatrix MODEL -f TEXT -o FILE"*"--imatrix FILE"* ]]
    [ ! -e out.gguf ]
    "$QUANTWIZ" quantize "$DEMO" out.gguf Q2_K_S --dry-run
}

@test "levels of 1 to 3 bits are made with importance, and any number of threads makes the same file" {
    "$QUANTWIZ" imatrix "$DEMO" -f "$top_srcdir/demo/eval.txt" --chunks 4 -o im.gguf
    for level in IQ3_S IQ3_XXS IQ2_M IQ2_XXS IQ1_M IQ1_S; do
        "$QUANTWIZ" quantize "$DEMO" out.gguf $level --imatrix im.gguf --threads 2
        "$QUANTWIZ" quantize "$DEMO" one.gguf $level --imatrix im.gguf --threads 1
        cmp out.gguf one.gguf
        run "$QUANTWIZ" inspect out.gguf
        [[ $output == *"${level/IQ2_M/IQ2_S}"* ]]
    done
    for level in IQ3_XS IQ3_XXS IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S; do
        run "$QUANTWIZ" quantize "$DEMO" refused.gguf $level
        [ "$status" -eq 2 ]
    done
    "$QUANTWIZ" quantize "$DEMO" plain.gguf IQ3_S
    [ ! -e refused.gguf ]
}
