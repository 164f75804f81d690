# shellcheck shell=bash disable=SC2034 # what it sets is for those who source it
# stage.bash, to be sourced: a stage for demonstrations and benchmarks. It builds the program, starts it, a private
# Postfix and a private OpenLDAP in a directory of its own, and when the shell ends, also by Ctrl-C, it ends them and
# removes the directory.
#
#   build                      sets $program
#   open_stage PARENT          makes the directory $stage in PARENT
#   start_milter NAME unix | inet [URL]
#                              runs the program on this directory; without URL, on the company of conf/demo.ldif. Sets
#                              $milter, its socket as Postfix calls it, and $milter_pid; its files are in $stage/NAME,
#                              its log is $stage/NAME/log. More of its configuration is taken from $settings
#   end_milter                 ends the last one that still runs
#   start_postfix OPTION…      as mail-system does; sets ${port[submission]} and so on
#   change_postfix NAME=VALUE… as mail-system does
#   start_directory [NAME] OPTION…
#                              as directory does; sets $directory, where its files are ($stage/NAME; without NAME,
#                              $stage/directory), and ${port[ldap]}
#   stop_directory             ends the slapd that works in $directory, as an outage does
#   resume_directory           starts it again on the same port
#   perform COMMAND…           runs a command that Ctrl-C ends without its last words
#   keep_stage                 leaves everything as it is when the shell ends
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022

root=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
testbed=$root/contrib/testbed
stage='' program='' milter='' milter_pid='' performer='' postfix_started='' directory='' settings=''
milter_pids=() directories=()
declare -A port

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

build() {
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml") or newer"
    # The answer names the file wherever the target directory is.
    program=$(cd "$root" && cargo build --release --locked --message-format=json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\/delegation-milter\)".*/\1/p')
    [ -x "$program" ] || die 'cargo names no program'
}

open_stage() {
    trap close_stage EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    stage=$(mktemp -d "$1/delegation-milter.XXXXXX")
    # Postfix's own user must reach the socket of the milter.
    chmod 755 "$stage"
}

close_stage() {
    local status=$? pid
    # Nobody may read any more: what was started is ended all the same.
    trap '' HUP INT TERM PIPE
    [ -n "$stage" ] || return
    # What a signal ended has no failure to show.
    [ $status = 0 ] || [ $status -gt 128 ] || show_logs || true
    [ -z "$performer" ] || end_performer
    [ -z "$postfix_started" ] || "$testbed/mail-system" down "$stage" || status=1
    # All at once: libmilter takes seconds to end.
    [ ${#milter_pids[@]} = 0 ] || kill "${milter_pids[@]}" 2>/dev/null || true
    for pid in "${milter_pids[@]}"; do
        wait "$pid" || { echo "the milter ended with status $?"; status=1; } >&2
    done
    for directory in "${directories[@]}"; do
        "$testbed/directory" down "$directory" || status=1
    done
    rm -rf "$stage"
    exit $status
}

keep_stage() {
    trap - EXIT HUP INT TERM
}

# In the background it does not hear Ctrl-C; we do while we wait.
perform() {
    local status=0
    "$@" &
    performer=$!
    wait "$performer" || status=$?
    performer=''
    return $status
}

end_performer() {
    kill "$performer" || true
    wait "$performer" || true
} 2>/dev/null

# The directory is about to go: what helps to see why comes before.
show_logs() {
    local log
    for log in "$stage"/*/log "$stage"/*.log; do
        [ -s "$log" ] || continue
        printf '\n%s ended with:\n' "$log"
        tail -n 15 "$log"
    done
} >&2

start_milter() {
    local name=$1 transport=$2 url=${3:-file:demo.ldif}
    mkdir "$stage/$name"
    cp "$root/conf/demo.ldif" "$stage/$name/"
    for _ in {1..20}; do
        listen_"$transport" "$name"
        run_milter "$stage/$name"
        if milter_logs ready "$stage/$name"; then
            return
        fi
        unset 'milter_pids[-1]'
        grep -q 'another program listens there' "$stage/$name/log" || break
    done
    die 'the milter does not start'
}

listen_unix() {
    milter=unix:$stage/$1/milter.sock
    write_configuration "$1" <<M
listen = "$milter"
$([ "$(id -u)" != 0 ] || echo 'socket_group = "postfix"')
M
}

# Somebody may have the port: the milter says so, and gets another.
listen_inet() {
    milter=inet:127.0.0.1:$(shuf -i 10000-31999 -n 1)
    write_configuration "$1" <<<"listen = \"$milter\""
}

write_configuration() {
    {
        cat
        cat <<M

[directory]
urls = ["$url"]
base_dn = "dc=example,dc=org"
$(credentials)

[delegation]
enabled = true

[log]
format = "json"

$settings
M
    } >"$stage/$1/delegation-milter.toml"
}

credentials() {
    [[ $url == ldap://* ]] || return 0
    cat <<M
bind_dn = "cn=delegation-milter,dc=example,dc=org"
bind_password_file = "$directory/milter.password"
M
}

# In a session of its own, Ctrl-C does not reach it: it ends after Postfix.
run_milter() {
    cd "$1"
    setsid "$program" --config "$1/delegation-milter.toml" >>log 2>&1 </dev/null &
    milter_pid=$!
    milter_pids+=("$milter_pid")
    cd "$OLDPWD"
}

# milter_logs MESSAGE DIRECTORY [TIMES]: waits until it has logged it so often.
milter_logs() {
    local deadline=$((SECONDS + 30)) times
    until times=$(grep -cs "\"message\":\"$1\"" "$2/log") && [ "$times" -ge "${3:-1}" ]; do
        [ $SECONDS -lt $deadline ] && kill -0 "$milter_pid" 2>/dev/null || return 1
        sleep 0.02
    done
}

end_milter() {
    kill "${milter_pids[-1]}"
    wait "${milter_pids[-1]}" || die "the milter ended with status $?"
    unset 'milter_pids[-1]'
}

# In a session of its own, Ctrl-C does not stop it halfway.
start_postfix() {
    postfix_started=yes
    setsid --wait "$testbed/mail-system" up "$stage" "$@" >/dev/null
    read_ports "$stage/ports"
}

change_postfix() {
    setsid --wait "$testbed/mail-system" conf "$stage" "$@"
}

start_directory() {
    directory=$stage/directory
    if [[ $1 != --* ]]; then
        directory=$stage/$1
        shift
    fi
    directories+=("$directory")
    setsid --wait "$testbed/directory" up "$directory" "$@" >/dev/null
    read_ports "$directory/ports"
}

stop_directory() {
    setsid --wait "$testbed/directory" stop "$directory"
}

resume_directory() {
    setsid --wait "$testbed/directory" start "$directory"
}

read_ports() {
    local service number
    while IFS='=' read -r service number; do
        port[$service]=$number
    done <"$1"
}
