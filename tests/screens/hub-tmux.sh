#!/bin/sh
# A download in a real terminal: it shows how far it is, stops at a key, and goes on where it was.
set -u
command -v tmux >/dev/null && command -v python3 >/dev/null || exit 77
. "$top_srcdir/tests/cli/hub_lib.sh"
work=$(mktemp -d)
server=quantwiz-hub-$$
trap 'tmux -L $server kill-server 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$work/.srv/org/tiny"
cp "$DEMO" "$work/.srv/org/tiny/tiny-F16.gguf"
own_caches "$work"
start_hub "$work/.srv" --slow 1000000

in_tmux() { tmux -L "$server" "$@"; }
screen() { in_tmux capture-pane -p -t wizard; }

# wait_for TEXT: until the screen shows it.
wait_for() {
    tries=200
    until screen | grep -q -- "$1"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || {
            echo "FAILED: no '$1'"
            screen
            exit 1
        }
        sleep 0.1
    done
}

keys() { in_tmux send-keys -t wizard "$@"; }

in_tmux -f /dev/null new-session -d -s wizard -x 80 -y 24 "cd '$work' && LC_ALL=C.UTF-8 '$QUANTWIZ' hf:org/tiny; sleep 60"
wait_for 'Machine'
keys 2
wait_for 'Enter fetches it'
keys Enter
wait_for 'fetching .* [1-9][0-9]* %'
keys x
wait_for 'stopped; what came is kept'
begun=$(ls "$work"/cache/models--org--tiny/blobs/*.incomplete) || exit 1
size=$(stat -c %s "$begun")
keys Enter
wait_for 'fetching'
grep -q "^cdn GET .* bytes=$size-" "$work/.srv/requests.log" || {
    sleep 1
    grep "^cdn GET .* bytes=$size-" "$work/.srv/requests.log" || exit 1
}
wait_for '✓ tiny-F16.gguf *named'
keys q
