# quantwiz machine: this computer, others in its place, and files that are none.

setup() {
    cd "$BATS_TEST_TMPDIR"
    machines=$top_srcdir/tests/machines
    export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
    # What this computer's own drivers say is not for these tests.
    export LD_LIBRARY_PATH=$top_builddir/tests/unit/fakes QUANTWIZ_FAKE_NVML=unloaded
}

# A folder with the files of a machine: 16 GiB, half of it free.
make_root() {
    mkdir -p root/proc/self root/sys/fs/cgroup
    printf 'MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n' >root/proc/meminfo
    printf '0::/\n' >root/proc/self/cgroup
    printf '29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n' >root/proc/self/mountinfo
    export QUANTWIZ_FSROOT=$PWD/root
}

@test "machine describes this computer" {
    run "$QUANTWIZ" machine --no-bandwidth
    [ "$status" -eq 0 ]
    [[ $output == *"processor"*"cores"*"memory"*"GiB"*"disk (.)"* ]]
    [[ $output == *"memory bandwidth  unknown: tokens/s on the CPU cannot be estimated"* ]]
    [[ $output != *simulated* ]]
}

@test "machine --json has the promised keys" {
    run "$QUANTWIZ" machine --json --no-bandwidth
    [ "$status" -eq 0 ]
    [[ $output == *'"simulated": false'* ]]
    for key in model cores threads features total_bytes available_bytes limit_bytes bandwidth_bytes_per_s gpus numa \
               disk free_bytes warnings; do
        [[ $output == *"\"$key\":"* ]]
    done
    [ "$(grep -c '"bandwidth_bytes_per_s": null' <<<"$output")" -eq 1 ]
}

@test "the bandwidth is measured once a boot" {
    run "$QUANTWIZ" machine
    [ "$status" -eq 0 ]
    [[ $output == *" GB/s (measured)"* ]]
    [ "$(wc -l <cache/quantwiz/bandwidth)" -eq 1 ]
    first=$(grep 'memory bandwidth  ' <<<"$output")
    run "$QUANTWIZ" machine --no-bandwidth
    [ "$(grep 'memory bandwidth  ' <<<"$output")" = "$first" ]
}

@test "a container's limit counts" {
    make_root
    echo 4294967296 >root/sys/fs/cgroup/memory.max
    echo 1073741824 >root/sys/fs/cgroup/memory.current
    run "$QUANTWIZ" machine --no-bandwidth
    [ "$status" -eq 0 ]
    [[ $output == *"memory             16.0 GiB"*"available now      3.0 GiB"*"container's limit  4.0 GiB"* ]]
}

@test "a GPU is found through NVML" {
    make_root
    export QUANTWIZ_FAKE_NVML=two
    run "$QUANTWIZ" machine --no-bandwidth
    [ "$status" -eq 0 ]
    [[ $output == *"GPU 0: NVIDIA GeForce RTX 4090"*"24.0 GiB, free 22.5 GiB"* ]]
    [[ $output == *"1008 GB/s (from the table)"*"nvml, driver 570.86.15, at 0000:01:00.0"* ]]
    run "$QUANTWIZ" machine --no-bandwidth --json
    [[ $output == *'"vram_free_bytes": 24117248000'* ]]
    [[ $output == *'"compute_capability": 8.9'* ]]
    [[ $output == *'"source": "nvml"'* ]]
}

@test "a simulated machine says that it is one" {
    run "$QUANTWIZ" machine --machine "$machines/laptop.yaml"
    [ "$status" -eq 0 ]
    [[ $output == "laptop (simulated: nothing here is this computer)"* ]]
    [[ $output == *"14 cores (6 performance, 8 efficiency), 20 threads"* ]]
    [[ $output == *"16.0 GiB (entered)"* ]]
    run "$QUANTWIZ" machine --machine "$machines/laptop.yaml" --json
    [[ $output == *'"simulated": true'* ]]
    [ ! -e cache ] # nothing was measured
}

@test "equal GPUs are shown once" {
    run "$QUANTWIZ" machine --machine "$machines/server-8gpu.yaml"
    [ "$status" -eq 0 ]
    [[ $output == *"GPU 0 to 7: NVIDIA H100 80GB HBM3"* ]]
    run "$QUANTWIZ" machine --machine "$machines/server-8gpu.yaml" --json
    [ "$(grep -c '"name": "NVIDIA H100' <<<"$output")" -eq 8 ]
    [ "$(grep -c '"vram_free_bytes": null' <<<"$output")" -eq 8 ]
    [ "$(grep -c '"vram_total_bytes": "from the table"' <<<"$output")" -eq 8 ]
}

@test "what is unknown is null, and says why it matters" {
    run "$QUANTWIZ" machine --machine "$machines/unknown.yaml" --json
    [ "$status" -eq 0 ]
    for key in model cores threads total_bytes available_bytes limit_bytes bandwidth_bytes_per_s free_bytes; do
        [[ $output == *"\"$key\": null"* ]]
    done
    run "$QUANTWIZ" machine --machine "$machines/unknown.yaml"
    [[ $output == *"unknown: what fits in RAM cannot be said"*"GPUs: none found"* ]]
}

@test "hwloc's XML is known by its content" {
    cp "$machines/small.xml" topology.txt
    run "$QUANTWIZ" machine --machine topology.txt
    [ "$status" -eq 0 ]
    [[ $output == *"GPU 1: AMD Radeon RX 6800 XT"*"512 GB/s (from the table)"* ]]
    [[ $output == *"warning: GeForce RTX 3060 Lite Hash Rate: the file does not tell its memory"* ]]
}

@test "a wrong file is wrong usage" {
    printf 'cpu:\n  cors: 4\n' >typo.yaml
    run "$QUANTWIZ" machine --machine typo.yaml
    [ "$status" -eq 2 ]
    [ "$output" = "quantwiz: typo.yaml:2: expected one of the keys model, packages, cores, threads, performance_cores, efficiency_cores, features, found 'cors'" ]
    head -c 2000 "$machines/small.xml" >cut.xml
    run "$QUANTWIZ" machine --machine cut.xml
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"cut.xml: is no topology in hwloc's XML"* ]]
    run "$QUANTWIZ" machine --machine absent.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"absent.yaml"* ]]
}

@test "a mistake in the person's own GPU table does not hide the machine" {
    mkdir rules
    printf 'schema: 1\nsources: {}\ngpus: 7\n' >rules/gpus.yaml
    QUANTWIZ_RULES=rules run "$QUANTWIZ" machine --machine "$machines/workstation.yaml"
    [ "$status" -eq 0 ]
    [[ $output == *"24.0 GiB (entered)"* ]]
    [[ $output == *"warning: bandwidth and speed of GPUs stay unknown: rules/gpus.yaml:3: expected a map"* ]]
}
