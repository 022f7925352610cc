# Sourced by stages that are shell: `check NAME COMMAND...` runs one check and shows it if it fails,
# `skip NAME WHY` leaves one out, `count_checks` prints the stage's last line.
# shellcheck shell=bash
stage=${stage-$(basename "$(dirname "$0")")}
passed=0 failed=0 skipped=0

check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
        [ -z "${VERBOSE-}" ] || printf 'PASS %s.%s\n%s\n' "$stage" "$name" "$out"
    else
        failed=$((failed + 1))
        printf 'FAIL %s.%s\n%s\n' "$stage" "$name" "$out"
    fi
}

skip() {
    skipped=$((skipped + 1))
    printf 'SKIP %s.%s  %s\n' "$stage" "$1" "$2"
}

count_checks() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
