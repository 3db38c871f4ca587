# quantwiz models: what is found in a folder and in a store.

setup() {
    cd "$BATS_TEST_TMPDIR"
    export HOME=$BATS_TEST_TMPDIR/home XDG_CACHE_HOME=$BATS_TEST_TMPDIR/home/.cache
    unset HF_HOME HF_HUB_CACHE LLAMA_CACHE OLLAMA_MODELS
    mkdir -p here/below "$HOME"
}

@test "nothing found is said, and no error" {
    run "$QUANTWIZ" models here
    [ "$status" -eq 0 ]
    [[ $output == "no models found"* ]]
}

@test "models of the folder and of the llama.cpp cache" {
    mkdir -p "$XDG_CACHE_HOME/llama.cpp"
    cp "$DEMO" here/below/demo.gguf
    head -c 1000 "$DEMO" >"$XDG_CACHE_HOME/llama.cpp/org_small.gguf"
    run "$QUANTWIZ" models here
    [ "$status" -eq 0 ]
    [[ ${lines[2]} == "below/demo.gguf "*"folder"*"8.9 MiB"*"here/below/demo.gguf" ]]
    [[ ${lines[3]} == "org_small.gguf "*"llama.cpp"*"1000 B"* ]]
}

@test "the JSON has bytes and paths" {
    head -c 1000 "$DEMO" >here/a.gguf
    run "$QUANTWIZ" models here --json
    [ "$status" -eq 0 ]
    [[ $output == *'"name": "a.gguf"'* ]]
    [[ $output == *'"bytes": 1000'* ]]
    [[ $output == *'"path": "here/a.gguf"'* ]]
    [[ $output == *'"complete": true'* ]]
}
