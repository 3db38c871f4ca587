#!/bin/sh
# Panes on runs: going on, paused, interrupted, failed, rejected.
. "$(dirname "$0")/lib.sh"
mode colour
