#!/bin/sh
# Every story in stories/: a script whose comments say how quantwiz is called (args:) and on which terminal (mode:).
. "$(dirname "$0")/lib.sh"

for story in "$screens"/stories/*.script; do
    mode "$(sed -n 's/^# mode: //p' "$story" | grep . || echo colour)"
    # The arguments are words without blanks.
    # shellcheck disable=SC2046
    drive "$story" $(sed -n 's/^# args: //p' "$story")
done
compare
exit $status
