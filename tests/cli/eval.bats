# quantwiz eval with the demo model, against what llama.cpp measured on the same file, text and chunks.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
}

value() { # of a key in the JSON in $output
    sed -n "s/^  \"$1\": \(.*[^,]\),\{0,1\}$/\1/p" <<<"$output"
}

near() { # A B WITHIN: relative difference
    awk -v a="$1" -v b="$2" -v within="$3" 'BEGIN { d = a / b - 1; exit !(d < within && -d < within) }'
}

@test "perplexity is llama.cpp's" {
    run "$QUANTWIZ" eval "$DEMO" --chunks 4 --json
    [ "$status" -eq 0 ]
    near "$(value ppl)" 30.884426 0.001
    [ "$(value chunks)" = 4 ]
    [ "$(value tokens)" = 1020 ]
    [ "$(value context)" = 512 ]
    [ "$(value activations)" = '"f32"' ]
    [ "$(value bytes)" = 9321984 ]
    [ -n "$(value prefill_tokens_per_s)" ]
    [ -z "$(value verdict)" ]
}

@test "a quantized model beside its base: divergence, and the gate" {
    "$QUANTWIZ" quantize "$DEMO" q2.gguf Q2_K >/dev/null 2>&1
    run --separate-stderr "$QUANTWIZ" eval q2.gguf --base "$DEMO" --chunks 8 --json
    [ "$status" -eq 3 ]
    [ "$(value verdict)" = '"reject"' ]
    # llama.cpp's own Q2_K file has 0.0395, with activations in 8 bits
    near "$(value kld_mean)" 0.0395 0.25
    near "$(value same_top)" 0.842 0.05
    [[ $stderr == *"rejected: the perplexity rose by"*"2 % is the most allowed"* ]]
    run "$QUANTWIZ" eval q2.gguf --base "$DEMO" --chunks 8 --max-loss 50%
    [ "$status" -eq 0 ]
    [[ $output == *"accept: the loss is within 50 %"* ]]
}

@test "--stop-early ends once the gate is decided" {
    "$QUANTWIZ" quantize "$DEMO" q2.gguf Q2_K >/dev/null 2>&1
    run --separate-stderr "$QUANTWIZ" eval q2.gguf --base "$DEMO" -c 128 --chunks 100 --stop-early --json
    [ "$status" -eq 3 ]
    [ "$(value chunks_planned)" = 100 ]
    [ "$(value chunks)" -ge 8 ]
    [ "$(value chunks)" -lt 60 ]
}

@test "tasks and prompts of both models" {
    head -n 6 "$top_srcdir/demo/tasks.jsonl" >six.jsonl
    head -n 1 "$top_srcdir/demo/prompts.txt" >one.txt
    run "$QUANTWIZ" eval "$DEMO" --base "$DEMO" --chunks 1 -c 64 --tasks six.jsonl --prompts one.txt
    [ "$status" -eq 0 ]
    [[ $output == *"demo/eval.txt (name another with -f)"* ]]
    [[ $output == *"task six "*"% of 6 right"*", base "* ]]
    [[ $output == *"prompt  And it came to pass in those days, that"*"the same"* ]]
}

@test "activations in 8 bits are another measure" {
    run "$QUANTWIZ" eval "$DEMO" --chunks 1 -c 64 --json
    exact=$(value ppl)
    "$QUANTWIZ" quantize "$DEMO" q4.gguf Q4_K_M >/dev/null 2>&1
    run "$QUANTWIZ" eval q4.gguf --chunks 1 -c 64 --activations q8 --json
    [ "$(value activations)" = '"q8"' ]
    [ "$(value ppl)" != "$exact" ]
    run "$QUANTWIZ" eval "$DEMO" --activations q5
    [ "$status" -eq 2 ]
}

@test "a text shorter than a chunk is refused" {
    printf 'too short' >text
    run "$QUANTWIZ" eval "$DEMO" -f text
    [ "$status" -eq 2 ]
    [[ $output == *"text has "*" tokens, and a chunk takes 512"* ]]
}

@test "what answering costs, questions of a use case, and the runtime's own benchmark" {
    mkdir bin
    printf '#!/bin/sh\necho "[{\\"n_prompt\\":64,\\"n_gen\\":0,\\"avg_ts\\":800,\\"avg_ns\\":80000000},{\\"n_prompt\\":0,\\"n_gen\\":32,\\"avg_ts\\":50}]"\n' >bin/llama-bench
    chmod +x bin/llama-bench
    PATH="$PWD/bin:$PATH" "$QUANTWIZ" eval "$DEMO" --base "$DEMO" --chunks 1 --prompts edge --json >out.json
    python3 -c '
import json
d = json.load(open("out.json"))
assert d["prompt_tokens"] > 32 and d["ttft_s"] > 0 and d["ms_per_token"] > 0 and d["base_ttft_s"] > 0, d
assert 1e6 < d["rss_bytes"] < 1e9, d["rss_bytes"]
assert len(d["samples"]) == 3 and all(s["differs_at"] == -1 and s["answer"] for s in d["samples"])
r = d["runtime"]
assert r["program"] == "llama-bench" and r["decode_tokens_per_s"] == 50 and r["ms_per_token"] == 20 and r["error"] is None
'
    printf '#!/bin/sh\necho "error: out of memory" >&2\nexit 1\n' >bin/llama-bench
    PATH="$PWD/bin:$PATH" run "$QUANTWIZ" eval "$DEMO" --chunks 1
    [ "$status" -eq 0 ]
    [[ $output == *"llama-bench     not measured: llama-bench ended with status 1: error: out of memory"* ]]
    PATH="$PWD/bin:$PATH" run "$QUANTWIZ" eval "$DEMO" --chunks 1 --runtime none
    [[ $output != *llama-bench* ]]
    run "$QUANTWIZ" eval "$DEMO" --chunks 1 --prompts no-such-file
    [ "$status" -ne 0 ]
    [[ $output == *no-such-file* ]]
}
