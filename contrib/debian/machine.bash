# shellcheck shell=bash
# machine.bash: a fresh Debian in a directory, booted by its own systemd in namespaces of its own: processes, mounts,
# network (the loopback interface alone), control groups. For "try" and "from-nothing", as root.
#
# Nothing of this machine is changed, and nothing of it is seen: what the Debian mounts and starts ends with it.

suite=${suite:-bookworm}
mirror=${mirror:-http://deb.debian.org/debian}
# Where what was downloaded is kept for the next time; nowhere unless said.
cache=${cache:-}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# What was checked, one line each; its command must succeed.
check() {
    local what=$1 output
    shift
    output=$("$@" 2>&1) || {
        [ -z "$output" ] || printf '%s\n' "$output" | tail -n 30 >&2
        fail "$what"
    }
    printf '  ok  %s\n' "$what"
}

# Waits until a command succeeds, for a minute at most.
until_so() {
    local end=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || {
            "$@"
            return
        }
        sleep 0.2
    done
}

# Begins the script anew with mounts of its own, which no other process sees and which end with it.
own_mounts() {
    [ "$(id -u)" = 0 ] || fail 'this needs root: debootstrap, mounts, namespaces'
    [ -n "${MACHINE_MOUNTS:-}" ] || MACHINE_MOUNTS=yes exec unshare --mount --propagation private "$0" "$@"
}

# A fresh Debian with systemd and the packages named, and no other: debootstrap's smallest.
fresh_tree() {
    tree=$(mktemp -d)
    boot_log=$tree.log
    trap end EXIT
    local base=$cache/$suite.tar
    if [ -n "$cache" ] && [ -f "$base" ]; then
        tar -C "$tree" -xpf "$base"
    else
        debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus "$suite" "$tree" "$mirror" >"$boot_log" 2>&1 || {
            tail "$boot_log" >&2
            fail 'debootstrap made no Debian'
        }
        if [ -n "$cache" ]; then
            mkdir -p "$cache"
            tar -C "$tree" -cpf "$base.$$" .
            mv "$base.$$" "$base"
        fi
    fi
    # Users enter their own root: mktemp lets nobody, and debootstrap and tar leave it so.
    chmod 755 "$tree"
    echo mail >"$tree/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 mail.example.org mail\n::1 localhost\n' >"$tree/etc/hosts"
}

# Downloads packages with what they depend on, through this machine's network. Later, apt finds them without one.
fetch() {
    local archives=$tree/var/cache/apt/archives
    # Where it may look up names, for as long as this takes.
    cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
    [ -z "$cache" ] || [ ! -d "$cache/archives" ] || cp -n "$cache/archives"/*.deb "$archives/"
    {
        in_tree apt-get update -q
        in_tree apt-get install -q -y --download-only "$@"
    } >"$boot_log" 2>&1 || {
        tail "$boot_log" >&2
        fail "these packages cannot be had: $*"
    }
    if [ -n "$cache" ]; then
        mkdir -p "$cache/archives"
        cp -n "$archives"/*.deb "$cache/archives/"
    fi
    : >"$tree/etc/resolv.conf"
}

clean_environment=(env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root
    LC_ALL=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive)

# Runs a command in the tree before it is booted.
in_tree() {
    "${clean_environment[@]}" chroot "$tree" "$@"
}

# Boots it, and waits until all is started.
boot() {
    # A control group of our own is the root of what it sees. The hierarchy can be mounted whatever this machine uses.
    groups=$(mktemp -d)
    mount -t cgroup2 none "$groups"
    group=$groups/delegation-milter.$$
    mkdir "$group"
    # Before the fork: its only child is to be the first process of what is booted.
    local script
    script="$(declare -f enter); enter \"\$1\""
    # shellcheck disable=SC2016 # the inner bash expands it
    "${clean_environment[@]}" bash -c '
        echo $$ >"$1/cgroup.procs"
        exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child -- bash -c "$2" boot "$3"
    ' boot "$group" "$script" "$tree" >"$boot_log" 2>&1 </dev/null &
    unshare=$!
    until_so has_leader || fail 'nothing was booted'
    leader=$(<"/proc/$unshare/task/$unshare/children")
    leader=${leader%% *}
    until_so is_up || {
        tail -n 20 "$boot_log" >&2
        fail "systemd did not come up: $(inside systemctl --failed --no-legend)"
    }
}

has_leader() {
    [ -n "$(<"/proc/$unshare/task/$unshare/children")" ]
}

is_up() {
    [ "$(inside systemctl is-system-running)" = running ]
}

# In the new namespaces: makes the tree the root and its systemd the first process
# (https://systemd.io/CONTAINER_INTERFACE).
enter() {
    set -e
    local tree=$1 name
    mount --bind "$tree" "$tree"
    mount -t proc proc "$tree/proc"
    mount -t sysfs -o ro sysfs "$tree/sys"
    mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 run "$tree/run"
    mount -t tmpfs -o mode=755 dev "$tree/dev"
    for name in null zero full random urandom tty; do
        touch "$tree/dev/$name"
        mount --bind "/dev/$name" "$tree/dev/$name"
    done
    mkdir "$tree/dev/pts" "$tree/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
    mount -t tmpfs shm "$tree/dev/shm"
    ln -s pts/ptmx "$tree/dev/ptmx"
    ln -s /proc/self/fd "$tree/dev/fd"
    ln -s /proc/self/fd/0 "$tree/dev/stdin"
    ln -s /proc/self/fd/1 "$tree/dev/stdout"
    ln -s /proc/self/fd/2 "$tree/dev/stderr"
    ip link set lo up
    hostname mail
    mkdir -p "$tree/mnt"
    cd "$tree"
    pivot_root . mnt
    umount -l /mnt
    exec env container=namespaces /lib/systemd/systemd --system --show-status=0
}

# Runs a command in what was booted.
inside() {
    nsenter --target "$leader" --all --wdns=/ -- "${clean_environment[@]}" "$@"
}

# The same with a script of bash.
bash_inside() {
    inside bash -euo pipefail -c "$@"
}

end() {
    local status=$?
    if [ -n "${unshare:-}" ]; then
        kill -KILL "$unshare" 2>/dev/null || true
        wait "$unshare" 2>/dev/null || true
    fi
    if [ -n "${group:-}" ]; then
        # Groups are there until the last process in them is gone.
        until_so remove_groups || true
        umount "$groups"
        rmdir "$groups"
    fi
    rm -rf "$tree" "$boot_log"
    return $status
}

remove_groups() {
    find "$group" -depth -type d -exec rmdir {} + && [ ! -d "$group" ]
}
