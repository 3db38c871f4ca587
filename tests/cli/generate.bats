# quantwiz generate, greedy: the texts are llama.cpp's for the same file.

bats_require_minimum_version 1.5.0

@test "generate goes on as llama.cpp does" {
    run --separate-stderr "$QUANTWIZ" generate "$DEMO" -p "The king said unto the" -n 32
    [ "$status" -eq 0 ]
    [ "$output" = " king, Behold, I will go to the king of Babylon, and I will give thee a son of man, and a son of his son, and to" ]
    [[ $stderr == *"decode "*" tokens/s" ]]
}

@test "generate --json" {
    run "$QUANTWIZ" generate "$DEMO" -p "The king said unto the" -n 5 --json --margins
    [ "$status" -eq 0 ]
    [[ $output == '{"text":" king, Behold, I","tokens":[460,13,1069,13,302]'* ]]
    [[ $output == *'"prompt_tokens":[652,460,437,352,261]'* ]]
    [[ $output == *'"margins":['* ]]
    [[ $output == *'"decode_tokens_per_s":'* ]]
}

@test "generate with a temperature follows the seed" {
    first=$("$QUANTWIZ" generate "$DEMO" -p "And the" -n 12 --temp 1 --seed 5 2>/dev/null)
    again=$("$QUANTWIZ" generate "$DEMO" -p "And the" -n 12 --temp 1 --seed 5 2>/dev/null)
    other=$("$QUANTWIZ" generate "$DEMO" -p "And the" -n 12 --temp 1 --seed 6 2>/dev/null)
    [ -n "$first" ]
    [ "$first" = "$again" ]
    [ "$first" != "$other" ]
}

@test "generate wants a prompt" {
    run "$QUANTWIZ" generate "$DEMO"
    [ "$status" -eq 2 ]
    [[ $output == *"name a prompt with -p"* ]]
    run "$QUANTWIZ" generate "$DEMO" -p x --temp -1
    [ "$status" -eq 2 ]
}
