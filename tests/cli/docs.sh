#!/bin/sh
# The generated parts of README.md and the manual are what the program prints now, and mandoc finds no fault.
set -eu
status=0
for file in README.md man/quantwiz.1 man/quantwiz-plan.5 man/quantwiz-rules.5 man/quantwiz-hacking.7; do
    "$top_srcdir/man/regenerate" "$QUANTWIZ" "$top_srcdir/$file" >docs.$$ || status=1
    diff -u "$top_srcdir/$file" docs.$$ || { echo "$file is stale: make update-docs"; status=1; }
    rm -f docs.$$
done
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$top_srcdir"/man/*.[1-9] || status=1
fi
exit $status
