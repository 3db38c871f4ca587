# Texts to calibrate by, as every command takes them: files, folders, chats, the general mix.

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p texts/b texts/.git
    head -c 20000 "$top_srcdir/demo/eval.txt" >texts/b/running.txt
    cp texts/b/running.txt texts/again.txt
    echo "nothing" >texts/.git/x.txt
    echo '{"messages": [{"role": "user", "content": "What is it that the king said to him, and why?"},
        {"role": "assistant", "content": "He said that it was late, and that he had to go."}]}' | tr -d '\n' >texts/chats.jsonl
    printf '\n{"text": "hi"}\n' >>texts/chats.jsonl
}

@test "a folder is read in order, without what stands there twice" {
    run "$QUANTWIZ" imatrix "$DEMO" -f texts -c 64 --chunks 8 -o im.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"8 samples of 64 tokens, out of "*" in 2 files; 0 of 1 records; 1 chat without its form"*"; 1 duplicate left out; 1 record is too short"* ]]
    rm -r texts/again.txt texts/.git
    "$QUANTWIZ" imatrix "$DEMO" -f texts -c 64 --chunks 8 -o same.gguf
    cmp im.gguf same.gguf
}

@test "mistakes in a text are said with file and line, before any work" {
    echo '{"text": ' >>texts/chats.jsonl
    ln -s "$DEMO" m.gguf
    for command in "imatrix m.gguf -f texts" "eval m.gguf -f texts" "quantize m.gguf out.gguf Q4_0 --calibration texts"; do
        # shellcheck disable=SC2086
        run "$QUANTWIZ" $command
        [ "$status" -eq 2 ]
        [[ $output == *"texts/chats.jsonl:3: not JSON"* ]]
    done
    printf 'caf\351\n' >texts/chats.jsonl
    run "$QUANTWIZ" imatrix "$DEMO" -f texts
    [ "$status" -eq 2 ]
    [[ $output == *"texts/chats.jsonl:1: byte 0xE9 at offset 3 is no UTF-8"* ]]
    mkdir none
    run "$QUANTWIZ" imatrix "$DEMO" -f none
    [ "$status" -eq 2 ]
    [[ $output == *"none has no text in it"* ]]
}

@test "eval reads folders, and of a single file the same as before" {
    "$QUANTWIZ" eval "$DEMO" -f texts -c 128 --chunks 3 --json >folder.json
    "$QUANTWIZ" eval "$DEMO" -f texts/again.txt -c 128 --chunks 3 --json >file.json
    grep '"ppl": [0-9.]*' folder.json >folder
    grep '"ppl": [0-9.]*' file.json >file
    cmp folder file
}

@test "the general mix is there under its name" {
    run "$QUANTWIZ" imatrix "$DEMO" -f general --chunks 2 -o im.gguf
    [ "$status" -eq 0 ]
    [[ $output == *"2 samples of 512 tokens, out of "*" in 4 files"* ]]
    run "$QUANTWIZ" plan "$DEMO" --level Q4_K_M --calibration general -o plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"Mind: it is made by the general text"* ]]
    grep -q '  path: general$' plan.yaml
}

@test "a plan pins its text, and the run tells what of the evaluation stands in it" {
    cp "$top_srcdir/demo/eval.txt" text.txt
    "$QUANTWIZ" plan "$DEMO" --level Q4_0 --use-case edge --calibration text.txt -o plan.yaml
    grep -q "sha256: \"*$(sha256sum text.txt | cut -d' ' -f1)" plan.yaml
    grep -q '  samples: 256' plan.yaml
    grep -q '  sample_length: 256' plan.yaml
    sed -i 's/  samples: .*/  samples: 1/; s/  chunks: .*/  chunks: 1/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --json
    [[ $output == *"100 % of the text to evaluate on stands in the calibration text"* ]]
    [[ $output == *"1 samples of 256 tokens"* ]]
    rm -r ./*.quantwiz
    echo more >>text.txt
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"text.txt is not the calibration text that the plan was made with"*"make a new plan"* ]]
}

@test "generic texts are warned of, for domains in stronger words" {
    "$QUANTWIZ" estimate "$DEMO" --calibration "$top_srcdir/demo/eval.txt" --use-case code --json >own.json
    "$QUANTWIZ" estimate "$DEMO" --calibration general --use-case code --json >general.json
    ! grep -q 'is judged on general text' own.json
    grep -q 'is judged on general text' general.json
}
