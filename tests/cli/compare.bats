# quantwiz compare, and several runs in one go: the variants of a plan, several plans, after kill -9, in every form.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# matrix EVALUATION-LINE VARIANT...: plan.yaml with these variants, and one prompt instead of the use case's
matrix() {
    echo "Once upon a time" >prompts.txt
    cat >plan.yaml <<END
schema: 1
source:
  path: $DEMO
quantization:
  level: Q4_K_M
output:
  artefact: demo-Q4_K_M.gguf
  run: all.quantwiz
evaluation:
  prompts: prompts.txt
  $1
  max_loss: 2%
variants:
END
    shift
    printf '  - {%s}\n' "$@" >>plan.yaml
}

column() { # of comparison.csv, by its title
    tr -d '\r' <"${2:-all.quantwiz/comparison.csv}" |
        awk -F, -v title="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == title) n = i; next } { printf "%s ", $n }'
}

@test "variants of one plan: a run each, the base once, and a comparison in three forms" {
    matrix "chunks: 4" "level: Q8_0" "level: Q4_K_M" "level: Q2_K" "level: Q2_K, name: pure, pure: true"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"demo-Q8_0.quantwiz"*"demo-pure.quantwiz"*"The original: 8.9 MiB"* ]]
    [[ $output == *"The smallest that the gate accepted: Q4_K_M, demo-Q4_K_M.quantwiz."* ]]
    [ "$(column level)" = "Q8_0 Q4_K_M Q2_K Q2_K " ]
    [ "$(column verdict)" = "accept accept reject reject " ]
    for bytes in $(column memory_bytes); do [ "$bytes" -lt 22000000 ]; done # with the model's own context of 1024
    [ "$(column front)" = "yes yes yes yes " ]
    for n in Q8_0 Q4_K_M Q2_K pure; do
        [ -s "demo-$n.quantwiz/report.md" ]
        grep -q "| demo-$n.quantwiz | " all.quantwiz/comparison.md
        grep -q "$(sha256sum "demo-$n.gguf" | cut -d' ' -f1)" all.quantwiz/comparison.md
        [ "$(grep -c '"kind":"chunk"' "demo-$n.quantwiz/events.jsonl")" -eq 4 ]
    done
    "$QUANTWIZ" compare all.quantwiz --json | cmp - all.quantwiz/comparison.json
    "$QUANTWIZ" compare all.quantwiz --csv -o again.csv
    cmp again.csv all.quantwiz/comparison.csv
    [ ! -e all.quantwiz/base ]
    "$QUANTWIZ" report all.quantwiz | cmp - all.quantwiz/comparison.md
    "$QUANTWIZ" report all.quantwiz --write | cmp - all.quantwiz/comparison.md
    # What the base made before stands for the base: every figure is that of a run by itself.
    sed '/^variants/,$d; s/all\.quantwiz/alone.quantwiz/; s/Q4_K_M/Q2_K/; s/^  chunks.*/&\n  stop_early: false/' plan.yaml >alone.yaml
    "$QUANTWIZ" run alone.yaml || [ $? -eq 3 ]
    figures() { grep '"kind":"result"' "$1/events.jsonl" | grep -o '"\(ppl\|ppl_base\|kld_mean\|kld_max\|rms_dp\|same_top\)":[0-9.e-]*'; }
    [ "$(figures alone.quantwiz)" = "$(figures demo-Q2_K.quantwiz)" ]
}

@test "killed with -9 between and within variants, it goes on to the same bytes" {
    matrix "chunks: 3" "level: Q8_0" "level: Q3_K_M" "level: Q2_K"
    "$QUANTWIZ" run plan.yaml >/dev/null 2>&1
    sha256sum demo-*.gguf >sums
    column ppl >figures
    rm -r demo-* all.quantwiz
    for at in '"kind":"phase","name":"evaluate"' '"kind":"done"'; do
        "$QUANTWIZ" run plan.yaml --resume >/dev/null 2>&1 3>&- &
        for _ in $(seq 600); do
            grep -qs "$at" demo-Q8_0.quantwiz/events.jsonl && break
            sleep 0.02
        done
        kill -9 $!
        wait $! || true
    done
    before=$(stat -c %i demo-Q8_0.gguf)
    "$QUANTWIZ" run plan.yaml --resume
    [ "$(stat -c %i demo-Q8_0.gguf)" = "$before" ]
    sha256sum -c --quiet sums
    [ "$(column ppl)" = "$(cat figures)" ]
    # Once more, and nothing is left to do.
    "$QUANTWIZ" run plan.yaml --resume
    [ "$(grep -c '"kind":"chunk"' demo-Q2_K.quantwiz/events.jsonl)" -eq 3 ]
}

@test "several plans, one of which fails: the others are made, and the status tells" {
    matrix "chunks: 2" "level: Q8_0"
    sed '/^variants/,$d; s/all\.quantwiz/one.quantwiz/' plan.yaml >one.yaml
    sed 's/one\.quantwiz/two.quantwiz/; s/Q4_K_M/Q8_0/' one.yaml >two.yaml
    sed 's/one\.quantwiz/bad.quantwiz/; s/demo-Q4_K_M\.gguf/bad.gguf/; s/level: .*/level: gptq-int8/' one.yaml >bad.yaml
    run "$QUANTWIZ" run one.yaml bad.yaml two.yaml
    [ "$status" -ne 0 ]
    [[ $output == *"one.quantwiz"*"two.quantwiz"* ]]
    [ -s demo-Q4_K_M.gguf ]
    [ -s demo-Q8_0.gguf ]
    run "$QUANTWIZ" run one.yaml one.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"two runs would write demo-Q4_K_M.gguf"* ]]
    run "$QUANTWIZ" run one.yaml plan.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"plan.yaml has variants: run it by itself"* ]]
}

@test "several plans in one go are measured on the same chunks, however early each would be decided" {
    matrix "chunks: 8" "level: Q8_0"
    sed '/^variants/,$d; s/Q4_K_M/Q8_0/; s/all\.quantwiz/one.quantwiz/; s/max_loss: .*/max_loss: 90%/' plan.yaml >one.yaml
    sed 's/one\.quantwiz/two.quantwiz/; s/demo-Q8_0/demo-Q2_K/; s/level: Q8_0/level: Q2_K/' one.yaml >two.yaml
    run "$QUANTWIZ" run one.yaml two.yaml
    [ "$status" -eq 0 ]
    for n in one two; do [ "$(grep -c '"kind":"chunk"' $n.quantwiz/events.jsonl)" -eq 8 ]; done
    [[ $output != *"do not compare"* ]]
}

@test "of runs of one size the nearest to the original is the best" {
    matrix "chunks: 2" "level: Q4_K_M" "level: Q4_K_M, method: feedback, calibration: general, samples: 8"
    sed -i 's/max_loss: .*/max_loss: 90%/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [ "$(stat -c %s demo-Q4_K_M.gguf)" -eq "$(stat -c %s demo-Q4_K_M-feedback.gguf)" ]
    [[ $output == *"The smallest that the gate accepted: Q4_K_M-feedback, demo-Q4_K_M-feedback.quantwiz."* ]]
}

@test "attempts are compared where one run has several" {
    matrix "chunks: 4" "level: Q2_K"
    sed -i '/^variants/,$d; s/Q4_K_M/Q2_K/; s/all\.quantwiz/demo-Q2_K.quantwiz/; s/max_loss: .*/max_loss: 3.5%/' plan.yaml
    printf 'calibration: {samples: 24, sample_length: 256}\n' >>plan.yaml # of the step's text
    run "$QUANTWIZ" run plan.yaml --auto
    second=$(sed -n '2s/.*"run":"..\/\([^"]*\).*/\1/p' demo-Q2_K.quantwiz/attempts.jsonl)
    [[ $output == *"made      "*"demo-Q2_K.quantwiz"*"$second"* ]]
    run "$QUANTWIZ" compare demo-Q2_K.quantwiz --plot
    [ "$status" -eq 0 ]
    [[ $output == *"a"*"demo-Q2_K.quantwiz"*"b*  $second"*"divergence (logarithmic)"*"a"*"b"* ]]
    [[ $output == *"0.0"*" |"*" MiB "*" MiB"* ]] # the ends of both axes
}

@test "a run that is not over is compared, too, and has no document yet" {
    run "$QUANTWIZ" compare "$top_srcdir/tests/screens/runs/evaluating.quantwiz" --markdown
    [ "$status" -eq 0 ]
    [[ $output == *"The commands that make the same bytes"* ]]
    [[ $output != *"Its own document"* ]]
}

@test "a speed that nobody measured is left out" {
    cp -r "$top_srcdir/tests/screens/runs/done.quantwiz" .
    run "$QUANTWIZ" compare done.quantwiz
    [[ $output == *"The original: "*" tokens/s prefill, "*" decode."* ]]
    chmod -R u+w done.quantwiz
    sed -i 's/"base_prefill_tokens_per_s": *[0-9.e+]*/"base_prefill_tokens_per_s": null/' done.quantwiz/events.jsonl
    run "$QUANTWIZ" compare done.quantwiz
    [ "$status" -eq 0 ]
    [[ $output != *nan* ]]
    [[ $output == *"The original: "*", perplexity "*" tokens/s decode."* ]]
}

@test "names that break tables are quoted" {
    matrix "enabled: false" 'level: Q8_0, name: "a, \"b\" | c"'
    "$QUANTWIZ" run plan.yaml
    grep -qF '"demo-a, ""b"" | c.quantwiz",Q8_0,' all.quantwiz/comparison.csv
    grep -qF '| demo-a, "b" \| c.quantwiz | Q8_0 |' all.quantwiz/comparison.md
    "$QUANTWIZ" compare "demo-a, \"b\" | c.quantwiz" --json | grep -qF '"run": "demo-a, \"b\" | c.quantwiz"'
}

@test "plan --compare lists levels as variants, each with the text that it wants" {
    "$top_builddir/tests/cli/make_folder" "$DEMO" demo-hf
    "$QUANTWIZ" plan demo-hf --level Q8_0 --compare gptq-int4-g64 --compare nf4 --chunks 1 -o plan.yaml
    sed -n '/^variants/,/^wishes/p' plan.yaml | grep -v sha256 >variants
    grep -q 'run: demo-hf-compare.quantwiz' plan.yaml
    [ "$(grep -c 'calibration: none' variants)" -eq 2 ]
    [ "$(grep -A2 'name: gptq-int4-g64' variants | grep -c 'calibration: general')" -eq 1 ]
    sed -i 's/samples: .*/samples: 2/; s/sample_length: .*/sample_length: 64/' plan.yaml
    "$QUANTWIZ" run plan.yaml
    [ "$(column level demo-hf-compare.quantwiz/comparison.csv)" = "Q8_0 gptq-int4-g64 nf4 " ]
    "$QUANTWIZ" quantize demo-hf same nf4
    diff -r same demo-hf-nf4
    run "$QUANTWIZ" plan demo-hf --compare Q9
    [ "$status" -eq 2 ]
    [[ $output == *"--compare: there is no quant level 'Q9'"* ]]
}

@test "variants that cannot be are refused before anything is made" {
    matrix "chunks: 1" "level: Q8_0" "level: Q9"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"plan.yaml: variant 2: there is no quant level 'Q9'"* ]]
    matrix "chunks: 1" "name: ../../x, level: Q8_0"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"plan.yaml:"*"expected a name without '/'"* ]]
    [ ! -e all.quantwiz ]
}
