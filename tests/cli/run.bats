# quantwiz run, report and compare: a plan from check to report, and a worker that is stopped, paused, killed, doubled.

setup() {
    cd "$BATS_TEST_TMPDIR"
}

# plan SOURCE LEVEL EVALUATION-LINES...: plan.yaml in the current folder. One prompt: those of the use case, which come
# without it, take longer to answer than all else.
plan() {
    echo "Once upon a time" >prompts.txt
    source=$1 level=$2
    shift 2
    cat >plan.yaml <<END
schema: 1
source:
  path: $source
quantization:
  level: $level
output:
  artefact: out.gguf
  run: out.quantwiz
evaluation:
  prompts: prompts.txt
END
    printf '  %s\n' "$@" >>plan.yaml
}

events() { # of a kind
    grep "\"kind\":\"$1\"" out.quantwiz/events.jsonl
}

wait_for() { # an extended regular expression in the events
    for _ in $(seq 1200); do
        grep -qsE "$1" out.quantwiz/events.jsonl && return 0
        sleep 0.05
    done
    echo "no $1 in events.jsonl" >&2
    return 1
}

# model.gguf: takes two seconds or so, time for a worker to be met at work. Made once for all tests.
slow_model() {
    local made=$BATS_FILE_TMPDIR/model.gguf
    [ -e "$made" ] || "$top_builddir/tests/cli/make_model" "$made" 512 1536 16 4000
    ln "$made" model.gguf
}

# Of that model, not evaluated.
slow_plan() {
    slow_model
    plan model.gguf "${1:-Q2_K}" "enabled: false"
}

# Starts a worker of its own and holds it while it quantizes. Its process: $worker.
start_paused() {
    mkdir -p out.quantwiz
    "$QUANTWIZ" run plan.yaml --threads 1 "$@" >run.txt 2>&1 3>&- &
    worker=$!
    wait_for '"kind":"tensor-begin"'
    echo pause >out.quantwiz/control
    wait_for '"paused":true'
}

@test "plan --imatrix: the file goes by it, folders do not" {
    head -c 20000 "$top_srcdir/demo/eval.txt" >text.txt
    "$QUANTWIZ" imatrix "$DEMO" -f text.txt -o i.gguf
    run "$QUANTWIZ" plan "$DEMO" --level Q2_K --imatrix i.gguf --no-eval
    [ "$status" -eq 0 ]
    [[ $output == *"Mind: nothing will be measured"*"warnings.yaml:"* ]]
    grep -q "^  imatrix: i.gguf$" plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    strings -n 8 ./*Q2_K.gguf | grep -q quantize.imatrix.file
    "$QUANTWIZ" quantize "$DEMO" by-hand.gguf Q2_K --imatrix i.gguf
    cmp by-hand.gguf ./quantwiz-demo-Q2_K.gguf
    run "$QUANTWIZ" plan "$DEMO" --level Q2_K --imatrix none.gguf
    [ "$status" -eq 2 ]
    [[ $output == *"--imatrix: there is no file none.gguf"* ]]
    "$top_builddir/tests/cli/make_folder" "$DEMO" folder
    run "$QUANTWIZ" plan folder --runtime vllm --level fp8 --imatrix i.gguf
    [ "$status" -eq 2 ]
    [[ $output == *"fp8 is a format of checkpoint folders, which go by a text"* ]]
}

@test "a plan goes from check to report" {
    plan "$DEMO" Q8_0 "chunks: 2" "max_loss: 50%"
    sed -i '/prompts:/d' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"made      out.gguf"*"quality   perplexity"*"accept"*"report    out.quantwiz/report.md"* ]]
    for phase in check quantize verify evaluate report; do
        events phase | grep -q "\"name\":\"$phase\""
    done
    [ "$(events tensor | wc -l)" -eq 56 ]
    [ "$(events chunk | wc -l)" -ge 1 ]
    [ "$(events sample | wc -l)" -eq 4 ] # the use case's prompts
    events resources | tail -n 1 | grep -q '"rss_bytes":[1-9]'
    events artefact | grep -q "\"sha256\":\"$(sha256sum out.gguf | cut -d' ' -f1)\""
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"kind":"done","status":"done","exit":0,"artefacts":\["out.gguf"\]'
    [ -s out.quantwiz/plan.yaml ]
    [ -s out.quantwiz/report.yaml ]
    "$QUANTWIZ" quantize "$DEMO" same.gguf Q8_0
    cmp out.gguf same.gguf
}

@test "the runtime's own benchmark is run, and not where the plan says so" {
    mkdir bin
    printf '#!/bin/sh\necho "[{\\"n_prompt\\":64,\\"n_gen\\":0,\\"avg_ts\\":800,\\"avg_ns\\":80000000},{\\"n_prompt\\":0,\\"n_gen\\":32,\\"avg_ts\\":50}]"\n' >bin/llama-bench
    chmod +x bin/llama-bench
    plan "$DEMO" Q8_0 "chunks: 1" "max_loss: 50%"
    PATH="$PWD/bin:$PATH" "$QUANTWIZ" run plan.yaml
    events runtime | grep -q '"program":"llama-bench".*"decode_tokens_per_s":50'
    rm -r out.gguf out.quantwiz
    plan "$DEMO" Q8_0 "chunks: 1" "max_loss: 50%" "runtime_speed: false"
    PATH="$PWD/bin:$PATH" "$QUANTWIZ" run plan.yaml
    events result
    run events runtime
    [ -z "$output" ]
    grep -q "^  runtime_speed: false$" out.quantwiz/plan.yaml
}

@test "--json streams the events, and ends with done" {
    plan "$DEMO" Q8_0 "enabled: false"
    "$QUANTWIZ" run plan.yaml --json >stream.jsonl
    cmp stream.jsonl out.quantwiz/events.jsonl
    [ "$(grep -c '^{"t":[0-9.]*,"kind":"[a-z-]*"' stream.jsonl)" -eq "$(wc -l <stream.jsonl)" ]
    tail -n 1 stream.jsonl | grep -q '"status":"done"'
    tail -n 1 stream.jsonl | grep -q '"report":"out.quantwiz/report.md"'
}

@test "what could not be decided is said to need more text" {
    plan "$DEMO" Q4_K_M "chunks: 2" "max_loss: 0.6%"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *": undecided"*"try next  more text"* ]]
    grep -q "could not decide: .* more chunks of text would narrow it" out.quantwiz/report.md
}

@test "in the end all that was planned is written" {
    plan "$DEMO" Q4_K_M "enabled: false"
    "$QUANTWIZ" run plan.yaml
    events resources | tail -n 1 | sed 's/.*written_bytes":\([0-9]*\).*planned_bytes":\([0-9]*\).*/\1 \2/' >bytes
    size=$(stat -c %s out.gguf)
    [ "$(cat bytes)" = "$size $size" ]
}

@test "the gate rejects with 3, and proposes the next level" {
    plan "$DEMO" Q2_K "chunks: 12" "max_loss: 0.001%"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 3 ]
    [[ $output == *"the quality gate rejected Q2_K"*"try Q3_K_M"* ]]
    [ -s out.gguf ]
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"rejected","exit":3'
    run "$QUANTWIZ" report out.quantwiz
    [[ $output == *"The quality gate rejected it."*"What to try next: Q3_K_M"* ]]
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 3 ]
    [[ $output == *"is finished already (rejected)"* ]]
}

@test "report has the five parts, and can be written again" {
    plan "$DEMO" Q4_K_M "chunks: 20" "max_loss: 90%"
    "$QUANTWIZ" run plan.yaml
    grep -q "^- Stopped there, since the interval of the loss had decided; .*: 20$" out.quantwiz/report.md
    [ "$(grep '^## ' out.quantwiz/report.md)" = "## Hardware Profile
## Format Selection Rationale
## Quantization Command or Config
## Quality Evaluation Results
## Deployment Artifact" ]
    cp out.quantwiz/report.md first.md
    rm out.quantwiz/report.*
    "$QUANTWIZ" report out.quantwiz >again.md
    cmp first.md again.md
    echo "of an older version" >out.quantwiz/report.md
    "$QUANTWIZ" report out.quantwiz >again.md
    [ "$(cat again.md)" = "of an older version" ]
    "$QUANTWIZ" report out.quantwiz --write >again.md
    cmp first.md again.md
    run "$QUANTWIZ" report nowhere
    [ "$status" -eq 2 ]
}

# The folder of a run holds all that its document says: the model, the text and the questions may be gone.
@test "the document is made again with its sources gone" {
    mkdir models
    cp "$DEMO" models/m.gguf
    head -c 9000 "$top_srcdir/demo/eval.txt" >models/eval.txt
    head -n 3 "$top_srcdir/demo/tasks.jsonl" >models/tasks.jsonl
    mkdir models/lora
    echo '{}' >models/lora/adapter_config.json
    "$QUANTWIZ" plan models/m.gguf --level Q4_K_M -o plan.yaml --max-loss 90%
    "$QUANTWIZ" run plan.yaml
    grep -q "^- An adapter lies beside the source: .*/models/lora$" m-Q4_K_M.quantwiz/report.md
    grep -q "^| source | .*/models/m.gguf | [0-9]* | $(sha256sum <"$DEMO" | cut -d' ' -f1) |$" m-Q4_K_M.quantwiz/report.md
    cp m-Q4_K_M.quantwiz/report.md first.md
    cp m-Q4_K_M.quantwiz/report.yaml first.yaml
    rm -r models plan.yaml m-Q4_K_M.gguf m-Q4_K_M.quantwiz/report.*
    "$QUANTWIZ" report m-Q4_K_M.quantwiz >again.md
    cmp first.md again.md
    cmp first.yaml m-Q4_K_M.quantwiz/report.yaml
}

@test "the document has the gate's attempts up to its own" {
    plan "$DEMO" Q3_K_S "chunks: 8" "max_loss: 0.6%"
    sed -i 's/out\.gguf/demo-Q3_K_S.gguf/; s/out\.quantwiz/demo-Q3_K_S.quantwiz/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --auto
    first=demo-Q3_K_S.quantwiz
    last=$(ls -d demo-*.quantwiz | grep -v "$first" | tail -n 1)
    grep -q '^| 1 | Q3_K_S | .* | reject |' $first/report.md
    ! grep -q '^| 2 |' $first/report.md
    grep -q '^| 1 | Q3_K_S | ' "$last/report.md"
    grep -q '^| 2 | ' "$last/report.md"
    cp $first/report.md first.md
    rm $first/report.*
    "$QUANTWIZ" report $first >again.md
    cmp first.md again.md
}

# The lines of a block of the document that begins after a label.
block() { # LABEL FILE
    awk -v label="$1" 'index($0, label) == 1 { on = 1 } on && /^```$/ { exit } inside { print } on && /^```sh/ { inside = 1 }' "$2"
}

@test "a newcomer follows the document to the same bytes" {
    mkdir "my models"
    cp "$DEMO" "my models/the model.gguf"
    "$QUANTWIZ" plan "my models/the model.gguf" --level Q3_K_S -o plan.yaml
    sed -i 's/  enabled: true/  enabled: false/' plan.yaml
    "$QUANTWIZ" run plan.yaml
    mv "the model-Q3_K_S.gguf" first.gguf
    mkdir bin
    ln -s "$QUANTWIZ" bin/quantwiz
    block "The commands that make the same bytes" "the model-Q3_K_S.quantwiz/report.md" >follow.sh
    [ "$(wc -l <follow.sh)" -eq 3 ]
    PATH="$PWD/bin:$PATH" sh -e follow.sh >follow.txt
    [ "$(grep -c ': OK$' follow.txt)" -eq 2 ]
    cmp first.gguf "the model-Q3_K_S.gguf"
}

@test "compare puts runs side by side, and warns of unlike ones" {
    plan "$DEMO" Q8_0 "chunks: 2" "max_loss: 90%"
    sed 's/out\./one./' plan.yaml >one.yaml
    sed 's/out\./two./; s/Q8_0/Q4_K_M/' plan.yaml >two.yaml
    sed 's/out\./three./; s/chunks: 2/chunks: 1/' plan.yaml >three.yaml
    for n in one two three; do "$QUANTWIZ" run $n.yaml; done
    run "$QUANTWIZ" compare one.quantwiz two.quantwiz/
    [ "$status" -eq 0 ]
    [[ $output == *"one.quantwiz"*"Q8_0"*"two.quantwiz"*"Q4_K_M"* ]]
    [[ $output != *"do not compare"* ]]
    run "$QUANTWIZ" compare one.quantwiz three.quantwiz
    [[ $output == *"do not compare"* ]]
    "$QUANTWIZ" compare one.quantwiz three.quantwiz --json | grep -q '"comparable": false'
    run "$QUANTWIZ" compare one.quantwiz .
    [ "$status" -eq 2 ]
}

@test "the commands that it names can be typed, with a blank in a name, too" {
    cp "$DEMO" "my model.gguf"
    "$QUANTWIZ" plan "my model.gguf" --level Q8_0 -o "my plan.yaml" | sed -n 's/.*Next: quantwiz //p' >line
    sed -i 's/^evaluation:/&\n  enabled: false/; /enabled: true/d' "my plan.yaml"
    eval "'$QUANTWIZ' $(cat line)"
    eval "'$QUANTWIZ' $(cat line) --resume" 2>again
    sed -n 's/.*`quantwiz \(report .*\)`.*/\1/p' again >line
    eval "'$QUANTWIZ' $(cat line)" | grep -q "as Q8_0"
}

@test "a finished run has nothing to resume" {
    plan "$DEMO" Q8_0 "enabled: false"
    "$QUANTWIZ" run plan.yaml
    before=$(stat -c %i out.gguf)
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 0 ]
    [[ $output == *"is finished already (done)"* ]]
    [ "$(stat -c %i out.gguf)" -eq "$before" ]
}

@test "killed with -9 and resumed, the file is the same" {
    slow_plan Q4_K_M
    "$QUANTWIZ" quantize model.gguf whole.gguf Q4_K_M
    for wait in 0.1 0.3 0.7; do
        "$QUANTWIZ" run plan.yaml --resume >/dev/null 2>&1 3>&- &
        sleep $wait
        kill -9 $! 2>/dev/null || true
        wait $! || true
    done
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 0 ]
    cmp whole.gguf out.gguf
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"done"'
}

@test "where a text only says what counts, finding that is a phase with its share of the bar, which never goes back" {
    plan "$DEMO" Q4_K_S "chunks: 2" "max_loss: 50%"
    sed -i '/prompts:/d' plan.yaml
    printf 'calibration:\n  path: "%s"\n  samples: 48\n  sample_length: 128\n  method: nearest\n' "$top_srcdir/demo/calibration.jsonl" >>plan.yaml
    "$QUANTWIZ" run plan.yaml
    [ "$(events phase | grep -o '"name":"[a-z]*"' | tr -d '\n')" = \
        '"name":"check""name":"calibrate""name":"quantize""name":"verify""name":"evaluate""name":"report"' ]
    events progress | sed 's/.*"done":\([0-9.e-]*\).*/\1/' >shares
    sort -g shares | cmp shares -
}

@test "a plan with a text decides layer by layer, and killed with -9 it goes on behind the finished ones" {
    plan "$DEMO" Q4_K_S "enabled: false"
    printf 'calibration:\n  path: "%s"\n  samples: 48\n  sample_length: 128\n' "$top_srcdir/demo/calibration.jsonl" >>plan.yaml
    "$QUANTWIZ" run plan.yaml
    grep -q '"kind":"phase","name":"calibrate"' out.quantwiz/events.jsonl
    [ "$(grep -c '"kind":"layer"' out.quantwiz/events.jsonl)" -eq 6 ]
    grep -q "Layers decided by the text" out.quantwiz/report.md
    mv out.gguf whole.gguf
    rm -r out.quantwiz
    "$QUANTWIZ" run plan.yaml >/dev/null 2>&1 3>&- &
    wait_for '"layer":2'
    kill -9 $!
    wait $! || true
    "$QUANTWIZ" run plan.yaml --resume
    cmp whole.gguf out.gguf
    [ "$(grep -c '"reused":true' out.quantwiz/events.jsonl)" -ge 3 ]
    [ ! -e out.gguf.part.layers ]
}

@test "a paused worker waits, nobody else gets its folder, and it goes on" {
    slow_plan
    start_paused
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"another worker runs there (process $worker on "* ]]
    run "$QUANTWIZ" run plan.yaml --detach
    [ "$status" -eq 1 ]
    kill -HUP $worker # a dropped line
    before=$(events tensor | wc -l)
    sleep 0.5
    [ "$(events tensor | wc -l)" -eq "$before" ]
    echo continue >out.quantwiz/control
    wait $worker
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"done"'
}

@test "stopped through its folder, it ends with 130 and can be resumed" {
    slow_plan
    start_paused
    echo stop >out.quantwiz/control
    status=0
    wait $worker || status=$?
    [ "$status" -eq 130 ]
    grep -q "what is finished is kept" run.txt
    [ ! -e out.gguf ]
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"interrupted","exit":130'
    "$QUANTWIZ" run plan.yaml --resume
    [ -s out.gguf ]
}

@test "--detach starts a worker that outlives its parent" {
    slow_plan Q8_0
    run "$QUANTWIZ" run plan.yaml --detach --resume --threads 1
    [ "$status" -eq 0 ]
    [[ $output == *"out.quantwiz"*"attach"* ]]
    wait_for '"kind":"done"'
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"done"'
    [ -e out.quantwiz/log ]
    [ -s out.gguf ]
    events start | grep -q '"threads":1,"resumed":true' # what was asked for, asked of the worker
}

@test "what cannot be done is said before anything is written" {
    plan "$DEMO" Q8_0 "enabled: false"
    sed -i 's/^  path: .*/&\n  fingerprint: 0123456789abcdef/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"is not the checkpoint that plan.yaml was made for"* ]]
    plan "$DEMO" Q8_0 "enabled: false"
    sed -i 's/^  level: .*/&\n  imatrix: some.gguf/' plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"some.gguf"* ]]
    plan missing.gguf Q8_0 "enabled: false"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"missing.gguf"* ]]
    tail -n 1 out.quantwiz/events.jsonl | grep -q '"status":"failed"'
    [ ! -e out.gguf ]
    [ ! -e out.gguf.part ]
}

@test "a model of an unknown architecture is quantized, and why it is not evaluated is said" {
    LC_ALL=C sed 's/\(general.architecture............\)llama/\1zzzma/; s/llama\./zzzma./g' "$DEMO" >unknown.gguf
    run "$QUANTWIZ" eval unknown.gguf
    [ "$status" = 1 ]
    [[ $output == *"the architecture zzzma is not evaluated yet (it can be quantized)"* ]]
    run "$QUANTWIZ" plan unknown.gguf -o made.yaml
    [ "$status" = 0 ]
    [[ $output == *"Mind: cannot evaluate unknown.gguf: the architecture zzzma"* ]]
    grep -q 'enabled: false' made.yaml
    plan unknown.gguf Q4_K_M "enabled: true"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" = 0 ]
    [ -s out.gguf ]
    events log | grep -q 'no evaluation: cannot evaluate .*the architecture zzzma'
    ! events result
}

# A plan that makes a checkpoint folder of the demo model's.
folder_plan() { # LEVEL EVALUATION-LINES...
    "$top_builddir/tests/cli/make_folder" "$DEMO" demo-hf
    plan demo-hf "$@"
    sed -i 's/out\.gguf/out-hf/' plan.yaml
}

@test "a plan makes a checkpoint folder, measures it and tells of each file" {
    folder_plan fp8 "chunks: 2" "max_loss: 50%"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [[ $output == *"quality   perplexity"*"accept"*"report    out.quantwiz/report.md"* ]]
    [ ! -e out-hf.part ]
    sum=$(sha256sum out-hf/model.safetensors | cut -d' ' -f1)
    events artefact | grep -q "\"name\":\"model.safetensors\",\"bytes\":$(stat -c %s out-hf/model.safetensors)[.0]*,\"sha256\":\"$sum\""
    whole=$(cd out-hf && sha256sum * | sha256sum | cut -d' ' -f1)
    events artefact | grep -q "\"sha256\":\"$whole\",\"files\""
    grep -q "| model.safetensors | [0-9]* | $sum |" out.quantwiz/report.md
    grep -q '^- quant_method of config.json: compressed-tensors$' out.quantwiz/report.md
    "$QUANTWIZ" quantize demo-hf same fp8
    diff -r out-hf same
}

@test "a folder by a text; without one GPTQ is refused unless method is nearest" {
    folder_plan gptq-int4-g64 "chunks: 4" "max_loss: 50%"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"gptq-int4-g64 is made by a calibration text"*"method: nearest"* ]]
    head -c 9000 "$top_srcdir/demo/eval.txt" >text.txt
    printf 'calibration:\n  path: text.txt\n  samples: 4\n  sample_length: 256\n' >>plan.yaml
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    [ "$(events layer | wc -l)" -eq 6 ]
    sed 's/samples: 4/samples: 4\n  method: nearest/; s/ out/ near/' plan.yaml >near.yaml
    "$QUANTWIZ" run near.yaml
    ! cmp out-hf/model.safetensors near-hf/model.safetensors
    [ "$(stat -c %s out-hf/model.safetensors)" -eq "$(stat -c %s near-hf/model.safetensors)" ]
}

@test "a rejected folder has a next level too" {
    folder_plan nf4 "chunks: 4" "max_loss: 0.001%"
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 3 ]
    [[ $output == *"the quality gate rejected nf4"*"try bnb-int8"* ]]
}

@test "a folder goes on after it was killed, to the same bytes" {
    slow_model
    "$top_builddir/tests/cli/make_folder" model.gguf big
    plan big w8a8 "enabled: false"
    sed -i 's/out\.gguf/out-hf/' plan.yaml
    start_paused
    kill -9 "$worker"
    wait "$worker" || true
    [ -d out-hf.part ]
    [ ! -e out-hf ]
    rm -f out.quantwiz/control
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 0 ]
    "$QUANTWIZ" quantize big same w8a8
    diff -r out-hf same
}

# attempt KEY: its values in a list of attempts, in order
attempt() {
    sed "s/.*\"$1\":\(\"[^\"]*\"\|[^,}]*\).*/\1/" "${2:-out.quantwiz}/attempts.jsonl" | tr -d '"' | tr '\n' ' '
}

@test "--auto takes steps until the gate accepts, and each has the list of those before it" {
    plan "$DEMO" Q2_K "chunks: 6" "max_loss: 1.5%"
    sed -i 's/out\.gguf/demo-Q2_K.gguf/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --auto
    [ "$status" -eq 0 ]
    [[ $output == *"made      demo-Q3_K_M.gguf"* ]]
    [ "$(attempt level)" = "Q2_K Q3_K_M " ]
    [ "$(attempt number)" = "1 2 " ]
    [ "$(attempt run)" = ". ../demo-Q3_K_M.quantwiz " ]
    [ "$(attempt run demo-Q3_K_M.quantwiz)" = "../out.quantwiz . " ]
    events attempt | grep -q '"number":1'
    grep -q '"kind":"attempt","number":2' demo-Q3_K_M.quantwiz/events.jsonl
    "$QUANTWIZ" quantize "$DEMO" same.gguf Q3_K_M
    cmp same.gguf demo-Q3_K_M.gguf
    # Once more by the plan that the step left behind, and the first folder's list stays whole.
    run "$QUANTWIZ" run out.quantwiz/plan.yaml --auto --resume
    [ "$status" -eq 0 ]
    [ "$(attempt level)" = "Q2_K Q3_K_M " ]
}

# plan_map KEY FILE: a map of a plan
plan_map() {
    sed -n "/^$1:/,/^[^ ]/p" "$2" | sed '$d'
}

@test "the plan of a step has the estimates that a plan made by hand for its level has" {
    cp "$DEMO" m.gguf
    machine="--machine $top_srcdir/tests/machines/laptop.yaml"
    "$QUANTWIZ" plan m.gguf $machine --level Q4_K_M --max-loss 0.00001% -o plan.yaml
    sed -i 's/chunks: .*/chunks: 2/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --auto --attempts 2
    [ "$status" -eq 3 ]
    "$QUANTWIZ" plan m.gguf $machine --level Q5_K_M --max-loss 0.00001% -o by-hand.yaml
    plan_map estimate by-hand.yaml | grep -q 'tokens_per_s: [0-9]'
    diff <(plan_map estimate by-hand.yaml) <(plan_map estimate m-Q5_K_M.quantwiz/plan.yaml)
    grep '^  - level: ' by-hand.yaml >levels
    diff levels <(grep '^  - level: ' m-Q5_K_M.quantwiz/plan.yaml)
    grep -q '^- Expected speed: [0-9.]* tokens/s$' m-Q5_K_M.quantwiz/report.md
    grep -q '^- Weights in memory: ' m-Q5_K_M.quantwiz/report.md
    grep -q '^| Q4_K_M | [0-9.]* | [0-9]* | the next step after Q4_K_M was rejected: ' m-Q5_K_M.quantwiz/report.md
}

@test "with a wish that nothing meets --auto ends: at the attempts, or where nothing is left" {
    plan "$DEMO" Q4_K_M "chunks: 4" "max_loss: 0.00001%"
    sed -i 's/out\.gguf/demo-Q4_K_M.gguf/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --auto --attempts 2
    [ "$status" -eq 3 ]
    [ "$(attempt level)" = "Q4_K_M Q5_K_M " ]
    printf 'gate: {auto: true, attempts: 50}\n' >>plan.yaml
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 3 ]
    [ "$(attempt level)" = "Q4_K_M Q5_K_M Q6_K Q8_0 " ]
    [[ $output == *"the quality gate rejected Q8_0"* ]]
}

@test "far over the wish another method comes before a larger level, and killed with -9 the steps go on" {
    plan "$DEMO" Q2_K "chunks: 6" "max_loss: 0.5%"
    sed -i 's/out\.gguf/demo-Q2_K.gguf/; s/Q2_K$/Q2_K\n  pure: true/' plan.yaml
    printf 'calibration: {samples: 8, sample_length: 128}\n' >>plan.yaml # of the step's text
    "$QUANTWIZ" run plan.yaml --auto --attempts 3 >/dev/null 2>&1 3>&- &
    wait_for '"kind":"attempt"'
    sleep 0.5
    kill -9 $!
    wait $! || true
    run "$QUANTWIZ" run plan.yaml --auto --attempts 3 --resume
    [ "$status" -eq 3 ]
    [ "$(attempt method | cut -d' ' -f1-2)" = "null feedback" ]
    [ "$(attempt level | cut -d' ' -f1-2)" = "Q2_K Q2_K" ]
    [ "$(attempt level | wc -w)" -eq 3 ]
}

@test "a folder's steps are folders" {
    folder_plan fp4 "chunks: 8" "max_loss: 0.00001%"
    sed -i 's/out-hf/demo-fp4/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --auto --attempts 2
    [ "$status" -eq 3 ]
    [ "$(attempt level)" = "fp4 nf4 " ]
    "$QUANTWIZ" quantize demo-hf same nf4
    diff -r demo-nf4 same
}

@test "killed while it is measured, a folder is not made again" {
    folder_plan w8a8 "chunks: 4" "max_loss: 50%"
    "$QUANTWIZ" run plan.yaml --threads 1 >/dev/null 2>&1 3>&- &
    wait_for '"kind":"phase","name":"evaluate"'
    kill -9 $!
    wait $! || true
    before=$(stat -c %i out-hf/model.safetensors)
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 0 ]
    [ "$(stat -c %i out-hf/model.safetensors)" = "$before" ]
    events tensor | tail -n 1 | grep -q '"reused":true'
    # What another plan made is not taken for its own.
    sed -i 's/w8a8/fp8/; s/out\.quantwiz/other.quantwiz/' plan.yaml
    run "$QUANTWIZ" run plan.yaml --resume
    [ "$status" -eq 2 ]
    [[ $output == *"it is there already"* ]]
}

@test "incoherent output is recognised, rejected, and left behind by more than one level" {
    mkdir rules
    sed 's/same_top: .*/same_top: 0.999/' "$top_srcdir/rules/steps.yaml" >rules/steps.yaml
    plan "$DEMO" Q2_K "chunks: 4" "max_loss: 1%"
    sed -i 's/out\.gguf/demo-Q2_K.gguf/' plan.yaml
    QUANTWIZ_RULES=$PWD/rules run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 3 ]
    [[ $output == *"try next  Q4_K_M"* ]]
    events log | grep -q 'the output is incoherent: only [0-9]* % of the likeliest tokens are the original'
    events result | grep -q '"verdict":"reject".*"incoherent":"only '
    [[ "$(attempt incoherent)" == "only "* ]]
}
