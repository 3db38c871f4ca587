#!/bin/sh
# Panes on runs in every condition: going on, being evaluated, cut off, rejected; and what the keys say.
. "$(dirname "$0")/lib.sh"
mode colour
cp -r "$screens"/runs/*.quantwiz "$work/"
chmod -R u+w "$work"

for run in going died evaluating rejected; do
    drive - attach $run.quantwiz << EOF
save out/run-$run
key Enter
save out/evaluate-$run
key v
save out/evaluate-$run-loss
key Enter
save out/report-$run
EOF
done

# The tensors can be looked through and filtered; Esc follows the newest again.
drive - attach done.quantwiz << 'EOF'
key Home Down
save out/run-browsing
key /
type attn_v
key Enter
save out/run-filtered
key Esc
save out/run-following
key ?
save out/run-help
key Esc 1
save out/run-locked
EOF

# The runs beside this one, in a table and as points; Enter goes to the one under the cursor, Esc back.
drive - attach rejected.quantwiz << 'EOF'
key 8 c
save out/compare
key Home Down
save out/compare-below
size 120 40
save out/compare-120x40
key Enter
expect divergence from base
EOF

# A plan with variants opens with all of them, those that have not begun too.
cp -r "$work/done.quantwiz" "$work/demo-first.quantwiz"
cp -r "$work/rejected.quantwiz" "$work/demo-second.quantwiz"
mkdir "$work/all.quantwiz"
cat > "$work/all.quantwiz/plan.yaml" << 'EOF'
schema: 1
source: {path: ../demo.gguf}
quantization: {level: Q4_K_M}
output: {artefact: ../demo.gguf, run: .}
variants:
  - {name: first}
  - {name: second}
  - {level: Q8_0}
EOF
drive - attach all.quantwiz << 'EOF'
save out/compare-variants
key w
expect written: comparison.md
key Down Enter
expect divergence from base
expect REJECT
EOF
rm -r "$work/all.quantwiz" "$work"/demo-*.quantwiz

# Answers word by word; and what may be wrong, from which Back leads to where one was.
drive - attach done.quantwiz << 'EOF'
key Enter w
save out/evaluate-words
key v
save out/evaluate-speeds
EOF
drive - attach rejected.quantwiz --machine machines/workstation.yaml << 'EOF'
key Enter d
save out/doctor-rejected
key a PgDn
save out/doctor-all
key Enter
save out/doctor-back
EOF

# Stopping and leaving ask first.
drive - attach going.quantwiz << 'EOF'
key x
save out/run-stop
key Esc q
save out/run-quit
EOF

# Runs that are not over are offered at the start.
drive - demo.gguf --machine machines/workstation.yaml << 'EOF'
save out/run-offered
key Down Enter
expect resources
EOF

# What to try next where nothing was rejected: the level beside it that the rules hold nothing against, not Q4_1.
rm -r "$work"/going.quantwiz "$work"/evaluating.quantwiz
drive - demo.gguf --machine machines/workstation.yaml << 'EOF'
key Enter
expect the worker died
key Enter n
expect demo-Q5_K_S.gguf
EOF
compare
exit $status
