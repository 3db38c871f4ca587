#!/bin/sh
# A mix that has to be measured: it is asked for with a key, measured beside the screen, stands among the estimates, follows
# the context, and goes when it is asked to. What is measured differs a little between computers, so no screen is golden.
. "$(dirname "$0")/lib.sh"

mode mono
mkdir "$work/rules"
sed 's/^groups: .*/groups: 8/' "$top_srcdir/rules/mixes.yaml" >"$work/rules/mixes.yaml"
QUANTWIZ_RULES=$work/rules XDG_CACHE_HOME=$work/cache
export QUANTWIZ_RULES XDG_CACHE_HOME
drive - demo.gguf --machine machines/laptop.yaml --fit cpu --budget 18MiB --ctx 1024 <<END
key 4 m Enter
dump out/measured
save out/screen
key Left
dump out/shorter
key m n
dump out/gone
END

expect() { # FILE PATTERN: a line of it
    grep -Eq "$2" "$work/out/$1" || { echo "$1 lacks '$2':"; cat "$work/out/$1"; status=1; }
}

expect measured '^level mix: [0-9]+ bytes, fits, recommended$'
expect measured '^chosen: mix$'
expect screen 'the mix with the least divergence that 3\.[0-9] MiB take'
expect shorter '^level mix: [0-9]+ bytes, fits, recommended$'
expect gone '^wish mix: no '
if grep -q '^level mix' "$work/out/gone"; then
    echo 'the mix is still there'
    status=1
fi

# Of a model whose weights are not here nothing can be measured: that is said, and no level is planned in the mix's stead
# until one is chosen.
"$top_builddir/tests/screens/make_shape" "$work/llama-2-7b.gguf" || exit 99
drive - llama-2-7b.gguf --machine machines/laptop.yaml <<END
key 4 m Enter
dump out/cannot
key 6
save out/no-plan
key 4 Enter 6
save out/a-level
END
# By a preset there is one, which goes beyond 8 bits where there is room.
drive - llama-2-7b.gguf --machine machines/workstation.yaml --mix=ends --budget 12.2GiB --ctx 16384 --kv-type q8_0 <<END
key 4
save out/beyond
END
expect beyond "a mix by the preset 'ends', [78]\.[0-9] GiB: F16 "
expect cannot '^wish mix: measured '
expect no-plan 'a mix is measured on the weights, and they are'
expect a-level 'makes  *Llama-2-7B|makes  *llama-2-7b-'
exit $status
