#!/bin/sh
# The whole way in a real terminal: from the first screen to the report, with the demo model, on this computer.
# Also: the terminal is as it was afterwards, and the file is there.
set -u
command -v tmux > /dev/null || exit 77
work=$(mktemp -d)
server=quantwiz-test-$$
trap 'tmux -L $server kill-server 2> /dev/null; rm -rf "$work"' EXIT
ln -s "$DEMO" "$work/demo.gguf"

in_tmux() { tmux -L "$server" "$@"; }
screen() { in_tmux capture-pane -p -t wizard; }

fail() {
    echo "FAILED: $1"
    screen
    exit 1
}

# wait_for TEXT SECONDS: until the screen shows it.
wait_for() {
    tries=$(($2 * 10))
    until screen | grep -q -- "$1"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "no '$1' within $2 s"
        sleep 0.1
    done
}

keys() { in_tmux send-keys -t wizard "$@"; }

in_tmux -f /dev/null new-session -d -s wizard -x 80 -y 24 "cd '$work' && sh"
keys "PS1='ready> '; stty -a > before" Enter
wait_for 'ready> *$' 60
keys "LC_ALL=C.UTF-8 '$QUANTWIZ' demo.gguf --use-case code; echo status \$?; stty -a > after" Enter
wait_for 'why it matters' 60
# End as another terminal sends it; then a sequence that nobody knows, whose 3 is no step.
wait_for '│ disk  ' 60
keys -H 1b 5b 38 7e
wait_for '│ disk: ' 60
keys -H 1b 5b 33 33 3b 34 7e
keys Home
wait_for '│ CPU: ' 60
keys Enter
wait_for '✓ demo.gguf' 60
keys Enter
wait_for 'Serving runtime' 60
keys Enter
wait_for 'recommended' 60
keys e
wait_for 'was reckoned' 60
keys Escape
# An IQ or K level, whatever is recommended for so small a model.
keys / q 4 _ k _ m Enter Enter
wait_for 'can be made without a text' 60
keys Enter
wait_for 'plan.yaml' 60
in_tmux resize-window -t wizard -x 100 -y 30
keys s
wait_for 'resources' 60
in_tmux resize-window -t wizard -x 80 -y 24
keys Enter
wait_for 'ACCEPT\|REJECT\|UNDECIDED' 300
keys Enter
wait_for 'start it in' 60
wait_for 'done\|rejected' 60
keys q
wait_for 'status 0' 60
ls "$work"/*Q4_K_M*.gguf > /dev/null || fail 'no artefact'
ls "$work"/*.quantwiz/report.md > /dev/null || fail 'no report'
cmp -s "$work/before" "$work/after" || fail 'the terminal is not as it was'

# A run whose worker was killed is resumed with a key, and followed to its end.
run=$(ls -d "$work"/*Q4_K_M*.quantwiz)
sed -i '/"kind":"done"/d' "$run/events.jsonl"
rm "$work"/*Q4_K_M*.gguf
keys "clear; LC_ALL=C.UTF-8 '$QUANTWIZ' attach $(basename "$run"); echo again \$?" Enter
wait_for 'the worker died' 60
keys r
wait_for '│ done ' 60
keys q
wait_for 'again 0' 60
ls "$work"/*Q4_K_M*.gguf > /dev/null || fail 'no artefact of the run that was resumed'

# A crash and a signal leave the terminal in order, too.
for signal in SEGV TERM HUP; do
    # The quotes inside the word keep the command, as typed, from looking like its own answer.
    keys "sh -c 'echo \$\$ > pid; exec \"\$QUANTWIZ\" demo.gguf'; stty -a > after; echo re''stored-$signal" Enter
    wait_for 'why it matters' 60
    kill -$signal "$(cat "$work/pid")"
    wait_for "restored-$signal" 60
    cmp -s "$work/before" "$work/after" || fail "the terminal is not as it was after SIG$signal"
done

# Ctrl-Z stops the script around it, too, whatever lies over the page; and the screen comes back in the size of then.
keys "clear; sh -c '\"\$QUANTWIZ\" demo.gguf; stty -a > after; echo re''stored'" Enter
wait_for 'why it matters' 60
keys F1
wait_for '# Keys\|  Keys' 60
keys C-z
wait_for 'Stopped' 60
in_tmux resize-window -t wizard -x 100 -y 30
keys "clear; fg" Enter
wait_for 'this help: the page' 60
screen | grep -q 'F10 Quit *$' || fail 'the key bar is not back'
keys Escape q
wait_for 'restored' 60
[ "$(sed 1d "$work/before")" = "$(sed 1d "$work/after")" ] || fail 'the terminal is not as it was after Ctrl-Z'
