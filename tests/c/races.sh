#!/bin/sh
# Runs the programs with threads, and the library itself, under ThreadSanitizer: tests/c/races.sh
#
# Of the ways to look for races this is the one that works with a stable toolchain. Its standard library is not built with
# the sanitizer, so a test in Rust gives false reports of whatever threads hand over when they are joined or leave a scope;
# a program in C joins by pthread_join, which the sanitizer knows. Helgrind and DRD know no locks but those of pthread.
set -eu
cd "$(dirname "$0")/../.."
host=$(rustc -vV | sed -n 's/^host: //p')
runtime=$(rustc --print sysroot)/lib/rustlib/$host/lib/librustc-stable_rt.tsan.a
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tsan
export CARGO_TARGET_DIR
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" CARGO_PROFILE_TEST_DEBUG=1 \
	cargo build --locked -p enclava-c --profile test --target "$host"
library=$CARGO_TARGET_DIR/$host/debug/libenclava.a
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in alerts leases queue threads; do
	# The runtime is the one of the compiler that built the library.
	${CC:-cc} -std=c11 -g -fsanitize=thread -I include -c "tests/c/$program.c" -o "$work/$program.o"
	${CC:-cc} "$work/$program.o" "$library" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
		-lgcc_s -lutil -lrt -lpthread -lm -ldl -lstdc++ -o "$work/$program"
	rounds=0
	while [ "$rounds" -lt "${1:-5}" ]; do
		TSAN_OPTIONS="suppressions=$PWD/tests/c/races.supp exitcode=66" "$work/$program"
		rounds=$((rounds + 1))
	done
	echo "$program: $rounds rounds without a race"
done
