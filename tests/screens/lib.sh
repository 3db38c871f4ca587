# Sourced by the screen tests: drives the wizard with a script, and compares the screens that it saved with those in
# golden/, exactly. GENERATE=1 writes the golden ones instead.
#
# Nothing here depends on the computer: the machine is a replayed one, the clock stands still, the model is the demo one.
set -u
screens=$top_srcdir/tests/screens
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
QUANTWIZ_NOW=1700000000
export QUANTWIZ_NOW
unset QUANTWIZ_ASCII QUANTWIZ_SCRIPT
mkdir "$work/out"
ln -s "$DEMO" "$work/demo.gguf"
ln -s "$top_srcdir/tests/machines" "$work/machines"
ln -s "$top_srcdir/demo/calibration.jsonl" "$work/calibration.jsonl"

# mode NAME: the terminal of the following drives.
mode() {
    unset NO_COLOR
    LC_ALL=C.UTF-8 TERM=xterm-256color
    case $1 in
    colour) ;;
    mono) NO_COLOR=1; export NO_COLOR ;;
    ascii) LC_ALL=C TERM=vt100 ;;
    *) echo "there is no mode $1"; exit 99 ;;
    esac
    export LC_ALL TERM
}

# drive SCRIPT ARGUMENT...: runs the script (a file, or - for standard input) in the work folder.
drive() {
    script=$1
    shift
    [ "$script" != - ] || { script=$work/script; cat > "$script"; }
    if ! (cd "$work" && "$QUANTWIZ" "$@" --script "$script"); then
        echo "FAILED: quantwiz $* --script $script"
        status=1
    fi
}

# compare: every screen saved in out/ with the golden one of that name.
compare() {
    for saved in "$work"/out/*; do
        [ -e "$saved" ] || { echo "nothing was saved"; status=1; break; }
        golden=$screens/golden/$(basename "$saved")
        if [ "${GENERATE:-}" = 1 ]; then
            cmp -s "$saved" "$golden" || { cp "$saved" "$golden" && echo "wrote $golden"; }
        elif ! cmp -s "$golden" "$saved"; then
            echo "DIFFERS: $golden"
            diff -u "$golden" "$saved" | head -60
            status=1
        fi
    done
}
