# hf:ORG/NAME as a source: fetched from a hub on this machine (hub_server.py) into a cache of the test's own.

setup() {
    command -v python3 >/dev/null || skip "no python3"
    cd "$BATS_TEST_TMPDIR"
    . "$top_srcdir/tests/cli/hub_lib.sh"
    own_caches "$PWD"
    mkdir -p srv/org/tiny srv/org/many-GGUF
    head -c 300000 "$DEMO" >srv/org/tiny/other.bin
    echo '{"architectures": ["LlamaForCausalLM"]}' >srv/org/tiny/config.json
    cp "$DEMO" srv/org/tiny/tiny-F16.gguf
    cp "$DEMO" srv/org/many-GGUF/many-F16.gguf
    head -c 4000000 "$DEMO" >srv/org/many-GGUF/many-Q4_K_M-00001-of-00002.gguf
    head -c 5000000 "$DEMO" >srv/org/many-GGUF/many-Q4_K_M-00002-of-00002.gguf
    head -c 9000 "$DEMO" >srv/org/many-GGUF/mmproj-F16.gguf
}

teardown() {
    stop_hub
}

requests() { # how many lines of the log match
    grep -c "$@" srv/requests.log || true
}

blob() { # the blob that a file's bytes belong in
    echo "cache/models--$(dirname "${1#srv/}" | sed 's,/,--,g')/blobs/$(sha256sum <"$1" | cut -c1-64)"
}

@test "a file is fetched into the cache that transformers uses, once" {
    start_hub srv
    path=$("$QUANTWIZ" fetch hf:org/tiny)
    [ "$path" = "$PWD/cache/models--org--tiny/snapshots/$(cat cache/models--org--tiny/refs/main)/tiny-F16.gguf" ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
    commit=$(cat cache/models--org--tiny/refs/main)
    [ "$(readlink "cache/models--org--tiny/snapshots/$commit/tiny-F16.gguf")" = \
        "../../blobs/$(sha256sum <"$DEMO" | cut -c1-64)" ]
    "$QUANTWIZ" fetch hf:org/tiny:tiny-F16.gguf
    [ "$(requests '^cdn GET')" -eq 1 ]
    [ -z "$(find cache -name '*.incomplete')" ]
}

@test "several ready-made models: one has to be named, by file or level" {
    start_hub srv
    run "$QUANTWIZ" fetch hf:org/many-GGUF
    [ "$status" -eq 2 ]
    [[ $output == *"holds 2 ready-made models (Q4_K_M, F16)"* ]]
    [ ! -e cache/models--org--many-GGUF/blobs ]
    run "$QUANTWIZ" fetch hf:org/many-GGUF:f16
    [ "$status" -eq 0 ]
    run "$QUANTWIZ" fetch hf:org/many-GGUF:Q9_Z
    [ "$status" -eq 2 ]
    [[ $output == *"no one model 'Q9_Z'"* ]]
    "$QUANTWIZ" fetch hf:org/many-GGUF:Q4_K_M # the shards are no real ones, but both must come
    cmp "$(blob srv/org/many-GGUF/many-Q4_K_M-00001-of-00002.gguf)" srv/org/many-GGUF/many-Q4_K_M-00001-of-00002.gguf
    cmp "$(blob srv/org/many-GGUF/many-Q4_K_M-00002-of-00002.gguf)" srv/org/many-GGUF/many-Q4_K_M-00002-of-00002.gguf
}

@test "dropped connections are gone on with where they ended" {
    start_hub srv --drop 3000000
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 0 ]
    [ "$(requests '^cdn GET .* bytes=3000000-')" -eq 1 ]
    [ "$(requests '^cdn GET .* bytes=9000000-')" -eq 1 ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "a server without ranges starts again, and is given up where that never ends" {
    start_hub srv --drop 3000000 --drops 2 --no-ranges
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 0 ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "a stalled connection is ended and gone on with" {
    start_hub srv --stall 1
    HF_HUB_DOWNLOAD_TIMEOUT=1 run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 0 ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "a killed download goes on where it was" {
    start_hub srv --slow 3000000
    "$QUANTWIZ" fetch hf:org/tiny >/dev/null 2>&1 3>&- &
    begun=$(blob srv/org/tiny/tiny-F16.gguf).incomplete
    for _ in $(seq 600); do
        [ -s "$begun" ] && break
        sleep 0.05
    done
    kill -9 $!
    size=$(stat -c %s "$begun")
    [ "$size" -gt 0 ]
    start_hub srv
    "$QUANTWIZ" fetch hf:org/tiny
    [ "$(requests "^cdn GET .* bytes=$size-")" -eq 1 ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "Ctrl-C ends with 130 and keeps the beginning" {
    start_hub srv --slow 3000000
    "$QUANTWIZ" fetch hf:org/tiny >out.txt 2>&1 3>&- &
    begun=$(blob srv/org/tiny/tiny-F16.gguf).incomplete
    for _ in $(seq 600); do
        [ -s "$begun" ] && break
        sleep 0.05
    done
    kill -TERM $!
    status=0
    wait $! || status=$?
    [ "$status" -eq 130 ]
    [ -s "$begun" ]
    grep -q interrupted out.txt
}

@test "a damaged beginning is found out, and fetched again" {
    start_hub srv
    begun=$(blob srv/org/tiny/tiny-F16.gguf).incomplete
    mkdir -p "$(dirname "$begun")"
    head -c 1000000 /dev/zero >"$begun"
    "$QUANTWIZ" fetch hf:org/tiny
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "wrong bytes never get a name" {
    start_hub srv --corrupt 9
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"tiny-F16.gguf"*"checksum differs"* ]]
    [ -z "$(ls cache/models--org--tiny/blobs)" ]
}

@test "a busy hub is asked again after the time that it names" {
    start_hub srv --busy 2 --retry-after 1
    start=$SECONDS
    "$QUANTWIZ" fetch hf:org/tiny
    [ $((SECONDS - start)) -ge 2 ]
    start_hub srv --busy 1 --retry-after 4000
    run "$QUANTWIZ" fetch hf:org/tiny@refs/pr/1
    [ "$status" -eq 1 ]
    [[ $output == *"too many requests"*"status 429"* ]]
}

@test "a hub that is out of order for a moment is asked again" {
    start_hub srv --broken 1
    "$QUANTWIZ" fetch hf:org/tiny
}

@test "the token goes to the hub and to no other host" {
    start_hub srv --private org/tiny --token hf_secret
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"no repository org/tiny"*"or it is private"*"HF_TOKEN"* ]]
    HF_TOKEN=hf_secret "$QUANTWIZ" fetch hf:org/tiny
    [ "$(requests '^hub GET .* Bearer hf_secret')" -eq 2 ]
    [ "$(requests '^cdn GET .* -$')" -eq 1 ]
    [ "$(requests '^cdn GET .*hf_secret')" -eq 0 ]
}

@test "the token of hf auth login is used" {
    start_hub srv --private org/tiny --token hf_from_file
    mkdir -p home
    echo hf_from_file >home/token
    HF_HOME=$PWD/home "$QUANTWIZ" fetch hf:org/tiny
}

@test "gated, missing and misspelt things are told apart" {
    start_hub srv --gated org/tiny --token right
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"is gated: accept its conditions on its page $HF_ENDPOINT/org/tiny"* ]]
    HF_TOKEN=wrong run "$QUANTWIZ" fetch hf:org/tiny
    [[ $output == *"is gated"*"status 403"* ]]
    HF_TOKEN=right run "$QUANTWIZ" fetch hf:org/tiny@v9
    [[ $output == *"has no revision v9"* ]]
    HF_TOKEN=right run "$QUANTWIZ" fetch hf:org/tiny:nothing.txt
    [ "$status" -eq 2 ]
    [[ $output == *"no one model 'nothing.txt'"* ]]
    HF_TOKEN=right run "$QUANTWIZ" fetch hf:org/none
    [[ $output == *"no repository org/none"*"status 404"* ]]
    rm srv/org/tiny/tiny-F16.gguf
    for command in fetch inspect estimate; do
        HF_TOKEN=right run "$QUANTWIZ" $command hf:org/tiny:tiny-F61.gguf
        [ "$status" -eq 2 ]
        [[ $output == *"hf:org/tiny has no file 'tiny-F61.gguf' in its revision main"* ]]
    done
    for name in hf: hf:a/b/c hf:../x hf:a--b/c 'hf:a/b@../x' 'hf:a/b:../x' 'hf:a/b:/etc/passwd'; do
        run "$QUANTWIZ" fetch "$name"
        [ "$status" -eq 2 ]
        [[ $output == *"expected hf:ORG/NAME"* ]]
    done
}

@test "other revisions, by branch and by commit" {
    mkdir "srv/org/tiny@refs_pr_1"
    cp "$DEMO" "srv/org/tiny@refs_pr_1/new-F16.gguf"
    start_hub srv
    "$QUANTWIZ" fetch hf:org/tiny@refs/pr/1
    commit=$(cat cache/models--org--tiny/refs/refs/pr/1)
    [ -e "cache/models--org--tiny/snapshots/$commit/new-F16.gguf" ]
    "$QUANTWIZ" fetch "hf:org/tiny@$commit:new-F16.gguf"
    [ ! -e "cache/models--org--tiny/refs/$commit" ]
}

@test "offline, the cache answers alone" {
    start_hub srv
    "$QUANTWIZ" fetch hf:org/many-GGUF:F16
    before=$(requests .)
    export HF_HUB_OFFLINE=1
    run "$QUANTWIZ" fetch hf:org/many-GGUF
    [ "$status" -eq 0 ]
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"HF_HUB_OFFLINE is set"* ]]
    [ "$(requests .)" -eq "$before" ]
}

@test "where the hub cannot be reached, the cache answers" {
    start_hub srv
    "$QUANTWIZ" fetch hf:org/tiny
    HF_ENDPOINT=http://host.invalid "$QUANTWIZ" fetch hf:org/tiny
    HF_ENDPOINT=http://host.invalid run "$QUANTWIZ" fetch hf:org/many-GGUF
    [ "$status" -eq 1 ]
    [[ $output == *"host.invalid"*"check the network"* ]]
}

@test "proxies are used" {
    start_hub srv
    proxy=$HF_ENDPOINT
    run env HF_ENDPOINT=http://hub.invalid http_proxy="$proxy" no_proxy=127.0.0.1 "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 0 ]
    [ "$(requests '^hub GET http://hub.invalid/api/models/org/tiny')" -eq 1 ]
}

@test "a mirror that lists names alone is asked for each file" {
    start_hub srv --no-blobs
    "$QUANTWIZ" fetch hf:org/tiny
    [ "$(requests '^hub HEAD')" -eq 1 ]
    [ "$(requests '^cdn HEAD')" -eq 0 ]
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "a repository that was renamed is found" {
    start_hub srv --renamed org/old=org/tiny --private org/tiny --token t
    HF_TOKEN=t "$QUANTWIZ" fetch hf:org/old
}

@test "listings that lie lead nowhere" {
    commit=0123456789012345678901234567890123456789
    cat >listing.json <<EOF
{"sha": "$commit", "siblings": [{"rfilename": "../../../../escape.gguf", "size": 5, "blobId": "abc"},
 {"rfilename": "a.gguf", "size": 5, "blobId": "../../../escape"}]}
EOF
    start_hub srv --listing listing.json
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [ -z "$(find . -name '*escape*')" ]
    echo '{"sha": "main", "siblings": []}' >listing.json
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"does not answer as a Hugging Face hub does"* ]]
    echo '<html>' >listing.json
    run "$QUANTWIZ" fetch hf:org/tiny
    [[ $output == *"check HF_ENDPOINT and the proxy"* ]]
    printf '{"sha": "%s", "siblings": [{"rfilename": "tiny-F16.gguf", "size": 99, "lfs": {"sha256": "%s"}}]}' $commit \
        "$(sha256sum <"$DEMO" | cut -c1-64)" >listing.json
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
}

@test "a disk that is too small is seen before anything is fetched" {
    printf '{"sha": "0123456789012345678901234567890123456789", "siblings": [{"rfilename": "a.gguf",
        "size": 1152921504606846976, "lfs": {"sha256": "%064d"}}]}' 1 >listing.json
    start_hub srv --listing listing.json
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"it needs 1024 PiB more"*"move the cache (HF_HUB_CACHE)"* ]]
    [ "$(requests '^hub GET .*resolve')" -eq 0 ]
}

@test "PyTorch files alone are refused with a reason" {
    rm srv/org/tiny/*.gguf
    start_hub srv
    run "$QUANTWIZ" fetch hf:org/tiny
    [ "$status" -eq 1 ]
    [[ $output == *"PyTorch files only"* ]]
}

@test "two at once fetch a file once" {
    start_hub srv --slow 6000000
    "$QUANTWIZ" fetch hf:org/tiny >one.txt 2>&1 3>&- &
    "$QUANTWIZ" fetch hf:org/tiny >two.txt 2>&1
    wait $!
    grep -q "tiny-F16.gguf$" one.txt
    grep -q "tiny-F16.gguf$" two.txt
    [ "$(requests '^cdn GET')" -eq 1 ]
}

@test "what a model is, is known from its headers" {
    start_hub srv
    run "$QUANTWIZ" inspect hf:org/tiny
    [ "$status" -eq 0 ]
    [[ $output == *"quantwiz demo"*"8.9 MiB"* ]]
    "$QUANTWIZ" tokenize hf:org/tiny -f "$top_srcdir/README.md" --json >ours.json
    "$QUANTWIZ" tokenize "$DEMO" -f "$top_srcdir/README.md" --json >expected.json
    cmp ours.json expected.json
    run "$QUANTWIZ" estimate hf:org/tiny --machine "$top_srcdir/tests/machines/laptop.yaml" --json
    [ "$status" -eq 0 ]
    [ "$(requests '^cdn GET .* bytes=0-')" -eq 1 ]
    [ ! -e cache/models--org--tiny/blobs ]
    fetched=$(find "$XDG_CACHE_HOME/quantwiz/headers" -name tiny-F16.gguf)
    [ "$(stat -Lc %s "$fetched")" -eq "$(stat -Lc %s "$DEMO")" ]
}

@test "ready-made models are listed against the machine's memory" {
    for level in Q8_0 Q4_K_M Q2_K; do
        "$QUANTWIZ" quantize "$DEMO" srv/org/tiny/tiny-$level.gguf $level >/dev/null
    done
    start_hub srv
    machine=$top_srcdir/tests/machines/edge-pi5.yaml
    run "$QUANTWIZ" offers hf:org/tiny --machine "$machine"
    [ "$status" -eq 0 ]
    [[ $output == *"  Q2_K "*"2.2 MiB"*"fits"*"tiny-Q2_K.gguf"*"* F16 "*"8.9 MiB"*"fits"*"tiny-F16.gguf"* ]]
    [[ $output == *"nothing has to be quantized"* ]]
    run "$QUANTWIZ" offers hf:org/tiny --machine "$machine" --budget 20MiB --fit cpu --json
    [ "$status" -eq 0 ]
    [ "$(grep -c '"verdict": "too big"' <<<"$output")" -ge 1 ]
    [ "$(grep -c '"recommended": true' <<<"$output")" -eq 1 ]
    [[ $output == *"may be the better answer: making it would begin with fetching 8.9 MiB"* ]]
    [ ! -e cache/models--org--tiny/blobs ]
    run "$QUANTWIZ" offers "$DEMO"
    [ "$status" -eq 2 ]
}

@test "a plan says where its source can be fetched, and a run fetches it" {
    start_hub srv
    "$QUANTWIZ" plan hf:org/tiny --level Q8_0 --no-eval -o plan.yaml
    commit=$(cat cache/models--org--tiny/refs/main)
    grep -q "hub: hf:org/tiny@$commit:tiny-F16.gguf" plan.yaml
    rm -rf cache
    run "$QUANTWIZ" run plan.yaml
    [ "$status" -eq 0 ]
    grep -q "looking for hf:org/tiny@$commit" ./*.quantwiz/events.jsonl
    cmp "$(blob srv/org/tiny/tiny-F16.gguf)" "$DEMO"
}

@test "of a checkpoint, the ready-made models of others are named" {
    rm srv/org/tiny/*.gguf srv/org/tiny/*.bin
    head -c 9000 "$DEMO" >srv/org/tiny/model.safetensors
    start_hub srv --quantized org/tiny=some/tiny-GGUF --quantized org/other=x/y --quantized org/tiny=org/many-GGUF \
        --quantized org/tiny=../escape
    run "$QUANTWIZ" offers hf:org/tiny
    [ "$status" -eq 0 ]
    [[ $output == *"is a checkpoint of 8.8 KiB"*"Others have made"*"hf:org/many-GGUF "*"3K downloads"*"hf:some/tiny-GGUF"* ]]
    [[ $output != *"x/y"* && $output != *"escape"* ]]
    "$QUANTWIZ" offers hf:org/tiny --json 2>/dev/null >offers.json
    grep -q '"downloads": 3000' offers.json
}
