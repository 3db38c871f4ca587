#!/bin/sh
# Every page in this mode; see pages.sh.
exec sh "$(dirname "$0")/pages.sh" ascii
