# shellcheck shell=bash
# process.bash, to be sourced: ends the servers that a script started, and only those, and waits for what takes time.

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# wait_until COMMAND…: at most 30 s, for machines that are busy.
wait_until() {
    local deadline=$((SECONDS + 30))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.02
    done
}

# stop_process PIDFILE DIRECTORY: ends the process in the file, if it is the one that works in this directory.
stop_process() {
    local pid
    [ -e "$1" ] && pid=$(tr -d ' ' <"$1") && works_in "$2" "$pid" || return 0
    kill -TERM "$pid"
    kill -CONT "$pid" 2>/dev/null || true # a test may have stopped it
    wait_until left "$2" "$pid" || die "process $pid does not end"
}

works_in() {
    [ "/proc/$2/cwd" -ef "$1" ]
}

left() {
    ! works_in "$@"
}
