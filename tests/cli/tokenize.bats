# quantwiz tokenize: what a person and a script get. That the tokens are right is tests/unit/test_tokenizer.c's business.

@test "tokenize reads standard input and shows the pieces" {
    run bash -c 'printf "Hello  World\n" | "$QUANTWIZ" tokenize "$DEMO"'
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "     41  'H'" ]
    [ "${lines[3]}" = "    222  ' '" ]
    [ "${lines[7]}" = "    200  '\\n'" ]
}

@test "tokenize shows what steers a terminal by its bytes" {
    run bash -c 'printf "\033\302\233\342\200\256\303\251" | "$QUANTWIZ" tokenize "$DEMO"'
    [[ $output == *"'\\x1b'"*"'\\xc2'"*"'\\x9b'"* ]]
    [[ $output != *$'\033'* && $output != *$'\302\233'* && $output != *$'\342\200\256'* ]]
}

@test "tokenize --json of a file" {
    printf 'Hello  World\n' >"$BATS_TEST_TMPDIR/text"
    run "$QUANTWIZ" tokenize "$DEMO" -f "$BATS_TEST_TMPDIR/text" --json
    [ "$output" = '{"tokens":[41,541,80,222,720,280,330,200]}' ]
}

@test "tokenize parses special tokens only where asked" {
    run bash -c 'printf "<s>a" | "$QUANTWIZ" tokenize "$DEMO" --json --special'
    [ "$output" = '{"tokens":[0,66]}' ]
    run bash -c 'printf "<s>a" | "$QUANTWIZ" tokenize "$DEMO" --json'
    [ "$output" = '{"tokens":[29,84,31,66]}' ]
}

@test "tokenize --pre cuts words in another way" {
    run bash -c 'printf 1611 | "$QUANTWIZ" tokenize "$DEMO" --json'
    [ "$output" = '{"tokens":[18,23,2540]}' ]
    run bash -c 'printf 1611 | "$QUANTWIZ" tokenize "$DEMO" --json --pre qwen2' # digits one by one
    [ "$output" = '{"tokens":[18,23,18,18]}' ]
}

@test "tokenize says what it does not know" {
    run bash -c 'printf a | "$QUANTWIZ" tokenize "$DEMO" --pre nonsense'
    [ "$status" -eq 2 ]
    [[ $output == *"unknown pre-tokenizer 'nonsense'"*"llama-bpe"* ]]
    run "$QUANTWIZ" tokenize "$DEMO" -f nowhere
    [ "$status" -eq 1 ]
    [[ $output == *"cannot open nowhere"* ]]
}

@test "tokenize --batch takes a text a line" {
    printf '"Hello  World\\n"\n""\n"1611"\n' >"$BATS_TEST_TMPDIR/texts"
    run "$QUANTWIZ" tokenize "$DEMO" --batch -f "$BATS_TEST_TMPDIR/texts"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = '{"tokens":[41,541,80,222,720,280,330,200]}' ]
    [ "${lines[1]}" = '{"tokens":[]}' ]
    [ "${lines[2]}" = '{"tokens":[18,23,2540]}' ]
    printf '"a"\n{"a": 1}\n' >"$BATS_TEST_TMPDIR/texts"
    run "$QUANTWIZ" tokenize "$DEMO" --batch -f "$BATS_TEST_TMPDIR/texts"
    [ "$status" -eq 2 ]
    [[ $output == *"line 2 of the text is JSON, but not a string"* ]]
}
