# Sourced by the tests that need a hub: one on this machine (hub_server.py), and caches of the test's own.

# start_hub FOLDER OPTION...: serves the repositories in FOLDER, in place of a hub that was started before. It ends with
# the test, for it reads until nobody holds the other end of its input.
start_hub() {
    stop_hub
    hub_folder=$1
    rm -f "$hub_folder/address" "$hub_folder/input"
    mkfifo "$hub_folder/input"
    python3 "$top_srcdir/tests/cli/hub_server.py" "$@" <"$hub_folder/input" >"$hub_folder/address" 3>&- &
    exec 9>"$hub_folder/input"
    for _ in $(seq 600); do
        [ -s "$hub_folder/address" ] && break
        sleep 0.1
    done
    [ -s "$hub_folder/address" ] || { echo "the hub has not started within a minute"; return 1; }
    HF_ENDPOINT=$(cat "$hub_folder/address")
    export HF_ENDPOINT
}

stop_hub() {
    exec 9>&-
}

# own_caches FOLDER
own_caches() {
    HF_HUB_CACHE=$1/cache XDG_CACHE_HOME=$1/own
    export HF_HUB_CACHE XDG_CACHE_HOME
}
