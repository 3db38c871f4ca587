#!/bin/sh
# pages.sh MODE: every page at three sizes; what colour-, mono- and ascii-pages.sh run.
. "$(dirname "$0")/lib.sh"
mode "$1"

# at_sizes PAGE: steps that save the present page at each size.
at_sizes() {
    for size in 80x24 120x40 200x60; do
        echo "size ${size%x*} ${size#*x}"
        echo "save out/$1-$size-$mode_name"
    done
    echo "size 80 24"
}

mode_name=$1
{
    at_sizes machine
    for page in model wishes estimates calibrate review; do
        echo "key Enter"
        at_sizes $page
    done
} | drive - demo.gguf --machine machines/workstation.yaml --use-case code --calibration calibration.jsonl

cp -r "$screens/runs/done.quantwiz" "$work/"
{
    at_sizes run
    echo "key Enter"
    at_sizes evaluate
    echo "key Enter"
    at_sizes report
} | drive - attach done.quantwiz
compare
exit $status
