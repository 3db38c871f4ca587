#!/bin/sh
# The rules of the house that a compiler does not check: which room may include which, and what no file may say.
set -eu
cd "$top_srcdir"
status=0

# From the ground up (Makefile.am). A file in a room may include its own room and those before it.
below=
for room in base machine quant pack model hub text infer calib eval plan run report doctor; do
    below="$below $room"
    for file in src/$room/*.[ch]; do
        [ -f "$file" ] || continue
        for inc in $(sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$file" | sort -u); do
            case " $below " in
            *" $inc "*) ;;
            *) echo "$file includes $inc/, which does not stand below $room/"; status=1 ;;
            esac
        done
    done
done

# Curses belongs to the user interface alone.
if grep -ln '#include <.*curses' src/*/*.[ch] src/main.c; then
    echo "the files above include curses outside of ui/"
    status=1
fi

# Every source file is built or shipped: it stands in some fragment.
for file in src/*/*.[ch] ui/*.[ch] ui/*/*.[ch] tests/unit/*.[ch]; do
    [ -f "$file" ] || continue
    grep -qr --include='*.am' -F "$file" Makefile.am src ui tests || { echo "$file stands in no makefile"; status=1; }
done
exit $status
