#!/bin/sh
# Process 1 of the test engine's namespaces: `unshare --mount --pid --mount-proc` starts it, `engine down`
# kills it, and with it dies every daemon, container and mount below. $1 is the folder of the engine's
# configuration, $2 that of its logs, $3 that of the packages to serve.
set -eu
config=$1
logs=$2
served=$3

# A /run of our own: containerd and dockerd have fixed paths there. The resolver's file may be a link
# into the machine's /run.
resolver=$(readlink -f /etc/resolv.conf || true)
if [ -e "$resolver" ]; then cat "$resolver" > "$config/resolv.conf"; fi
mount -t tmpfs -o mode=755 luakit-run /run
mkdir -p /run/lock
case $resolver in
/run/*) mkdir -p "${resolver%/*}"; cp "$config/resolv.conf" "$resolver" ;;
esac

# The registries that stand for the public ones are found by name, here alone.
{ cat /etc/hosts; cat "$config/hosts.more"; } > "$config/hosts"
mount --bind "$config/hosts" /etc/hosts

# A machine-wide table: `engine down` removes the entries. Without it foreign platforms don't run, and
# engine.json says so.
if mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>> "$logs/binfmt.log"; then
    while read -r entry; do
        printf '%s' "$entry" > /proc/sys/fs/binfmt_misc/register 2>> "$logs/binfmt.log" || true
    done < "$config/binfmt"
fi

ulimit -n 1048576 2>/dev/null || true
docker-registry serve "$config/registry.yml" > "$logs/registry.log" 2>&1 &
daemons=$!
docker-registry serve "$config/upstreams.yml" > "$logs/upstreams.log" 2>&1 &
daemons="$daemons $!"
# To run steps alone, on the bridge.
busybox httpd -f -p "$(cat "$config/packages")" -h "$served" > "$logs/packages.log" 2>&1 &
daemons="$daemons $!"
containerd --config "$config/containerd.toml" > "$logs/containerd.log" 2>&1 &
daemons="$daemons $!"
# It trusts whom the machine trusts, and our registry under the public ones' names.
SSL_CERT_FILE=$config/roots.pem dockerd --config-file "$config/daemon.json" > "$logs/dockerd.log" 2>&1 &
daemons="$daemons $!"
# The same daemon with its older image store. What is of the machine is the first one's to set up.
SSL_CERT_FILE=$config/roots.pem dockerd --config-file "$config/graph.json" > "$logs/graph.log" 2>&1 &
daemons="$daemons $!"

# All or nothing: one dead daemon ends the engine, so that it never half answers. `wait` on a short
# sleep also reaps what the containers leave behind.
while :; do
    for daemon in $daemons; do
        if ! kill -0 "$daemon" 2>/dev/null; then
            echo "daemon $daemon ended; the engine ends" >&2
            exit 1
        fi
    done
    sleep 1 &
    wait $! || true
done
