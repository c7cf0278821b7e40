#!/bin/sh
# Runs every fuzz target for SECONDS each and prints what was tried: fuzz/soak.sh [SECONDS] (default 10).
# Builds on the stable toolchain: libfuzzer-sys brings libFuzzer, the flags below are what cargo-fuzz would pass.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-10}

command -v "${CXX:-c++}" >/dev/null || {
    echo "make soak builds libFuzzer, which needs a C++ compiler. Debian: apt-get install g++" >&2
    exit 1
}

host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-target}
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target the flags reach neither build scripts nor procedural macros.
RUSTFLAGS="--cfg fuzzing $(echo $coverage)" cargo build --profile fuzz -p enclava-fuzz --bins --target "$host"

failed=
printf '\n%-16s %14s %10s %8s %8s\n' target inputs per-second edges found
for source in fuzz/targets/*.rs; do
    target=$(basename "$source" .rs)
    found="$out/fuzz-corpus/$target" # what libFuzzer finds stays out of the sources and seeds the next run
    artifacts="fuzz/artifacts/$target"
    log="$out/fuzz-corpus/$target.log"
    mkdir -p "$found" "$artifacts"
    # A panic prints its message; a backtrace for each would only slow libFuzzer down.
    if ! RUST_BACKTRACE=0 "$out/$host/fuzz/$target" "$found" "fuzz/corpus/$target" \
        -artifact_prefix="$artifacts/" -dict=fuzz/words.dict -max_total_time="$seconds" -timeout=10 \
        -print_final_stats=1 >"$log" 2>&1; then
        failed="$failed $target"
        tail -n 40 "$log" >&2
        echo "to see it again: cargo run -p enclava-fuzz --bin $target $artifacts/<file>" >&2
    fi
    awk -v target="$target" '
        /stat::number_of_executed_units/ { inputs = $2 }
        /stat::average_exec_per_sec/ { rate = $2 }
        /stat::new_units_added/ { found = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        END { printf "%-16s %14d %10d %8d %8d\n", target, inputs, rate, edges, found }' "$log"
done
if [ -n "$failed" ]; then
    echo "FAILED:$failed" >&2
    exit 1
fi
