# quantwiz doctor: causes are found where they are, and only there.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# doctor STATUS ARGUMENT...: what it prints in $output
doctor() {
    expected=$1
    shift
    run "$QUANTWIZ" doctor "$@"
    echo "$output"
    [ "$status" -eq "$expected" ]
}

@test "a sound model on a large machine has nothing" {
    doctor 0 "$DEMO" --machine "$top_srcdir/tests/machines/cpu-only.yaml" --ctx 512 --all
    [[ $output == *"  v some weights are no numbers: all "*" values are numbers"* ]]
    [[ $output == *"the file holds no chat template: there is none; by its name it is a base model"* ]]
    ! grep -q '^  x' <<<"$output"
}

@test "what was not named is said to be unknown, not sound" {
    doctor 0 --machine "$top_srcdir/tests/machines/cpu-only.yaml"
    [[ $output == *"could not be looked for: no model was named"* ]]
    doctor 2 nowhere.gguf
    [[ $output == *"nowhere.gguf: there is no such run or model"* ]]
    doctor 2 "$DEMO" --symptom none
    [[ $output == *"knows none called 'none'"* ]]
}

@test "files: cut short, no model at all, no numbers, a chat model without a template" {
    head -c 5000000 "$DEMO" >cut.gguf
    doctor 1 cut.gguf --symptom will-not-load
    [[ $output == *"  x the file ends before its tensors do"*"fetch or copy it again"* ]]
    head -c 100000 /dev/zero >zeros.gguf
    doctor 1 zeros.gguf --symptom will-not-load
    [[ $output == *"  x the file cannot be read: "*"zeros.gguf"* ]]
    cp "$DEMO" demo-chat.gguf
    doctor 1 demo-chat.gguf --symptom gibberish
    [[ $output == *"  x the file holds no chat template: there is none, and by its name it is for chats"* ]]
    cp "$DEMO" broken.gguf
    printf '\377\377\377\377\377\377' | dd of=broken.gguf bs=1 seek=9000000 conv=notrunc 2>/dev/null
    doctor 1 broken.gguf --symptom gibberish
    [[ $output == *"  x some weights are no numbers: value "*" of "*" is no number"* ]]
}

@test "machines and wishes: memory, cache, GPU, threads" {
    machine=$top_srcdir/tests/machines/workstation.yaml
    doctor 1 "$DEMO" --machine "$machine" --kv-type q4_0 --ctx 4096
    [[ $output == *"  x the context is longer than the model was trained for: 4096 tokens, trained for 1024"* ]]
    [[ $output == *"  x the KV cache has four bits: q4_0"* ]]
    doctor 1 "$DEMO" --machine "$machine" --fit cpu --ctx 512 --symptom slow
    [[ $output == *"  x there is a GPU, and no layer lies on it"* ]]
    [[ $output == *"  ? this process may use fewer threads than the machine has: the machine is described by a file"* ]]
    doctor 1 "$DEMO" --machine "$machine" --ctx 512 --budget 1MiB --symptom out-of-memory
    [[ $output == *"  x it takes more memory than may be used: too big"* ]]
    # A cache of 24 MiB of 33 is large, and no trouble where there are 20 GiB.
    doctor 0 "$DEMO" --machine "$machine" --parallel 8 --symptom out-of-memory --all
    [[ $output == *"is a large part of what it takes: "*" MiB of "*"GiB may be used"* ]]
    doctor 1 "$DEMO" --machine "$machine" --parallel 8 --budget 60MiB --symptom out-of-memory
    [[ $output == *"  x the KV cache is a large part of what it takes: "*"60.0 MiB may be used"* ]]
    doctor 1 "$DEMO" --machine "$machine" --ctx 512 --runtime transformers --symptom out-of-memory
    [[ $output == *"  x the runtime holds weights in 16 bits whatever the file has"* ]]
    doctor 0 "$DEMO" --machine "$top_srcdir/tests/machines/cpu-only.yaml" --runtime vllm --tensor-parallel 4 --symptom out-of-memory
    [[ $output == *"could not be looked for: --tensor-parallel 4: "* ]]
}

@test "runs: rejected, failed, of a quantized source; as JSON, too" {
    cat >plan.yaml <<END
schema: 1
source:
  path: q4.gguf
quantization:
  level: Q2_K
output:
  artefact: out.gguf
  run: out.quantwiz
evaluation:
  chunks: 8
  max_loss: 0.1%
END
    "$QUANTWIZ" quantize "$DEMO" q4.gguf Q4_0 --threads 1
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 3 ]
    doctor 1 out.quantwiz --symptom gibberish
    [[ $output == *"  x the quality gate rejected it: reject"* ]]
    [[ $output == *"  x it was made from a model that was quantized already: the source has Q4_0"* ]]
    run --separate-stderr "$QUANTWIZ" doctor out.quantwiz --json
    [ "$status" -eq 1 ]
    python3 -c '
import json, sys
d = json.load(sys.stdin)
found = {c["check"] for s in d["symptoms"] for c in s["causes"] if c["finding"] == "found"}
assert d["subject"] == "out.quantwiz" and d["found"] == len(found)
assert {"rejected", "quantized-twice"} <= found, found
assert all(c["steps"] and c["detail"] and c["source"] for s in d["symptoms"] for c in s["causes"])
' <<<"$output"
    sed -i 's/q4.gguf/gone.gguf/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    doctor 1 out.quantwiz --symptom broke-off
    [[ $output == *"  x the run ended with an error: "*"gone.gguf"* ]]
}

# Every check that the program has is some cause's, and rules of one's own are checked like all others.
@test "rules and checks belong together" {
    sed -n 's/^    {"\([a-z-]*\)", .*/\1/p' "$top_srcdir"/src/doctor/checks_*.c | sort >checks
    sed -n 's/^      - check: //p' "$top_srcdir/rules/troubleshooting.yaml" | sort >causes
    [ "$(wc -l <checks)" -ge 25 ]
    diff checks causes
    mkdir rules
    sed 's/check: cut-short/check: no-such-check/' "$top_srcdir/rules/troubleshooting.yaml" >rules/troubleshooting.yaml
    QUANTWIZ_RULES=rules run "$QUANTWIZ" doctor
    [ "$status" -eq 2 ]
    [[ $output == *"troubleshooting.yaml:"*"expected a check that the program has"*"no-such-check"* ]]
}
