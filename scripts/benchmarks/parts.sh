# shellcheck shell=bash disable=SC2034
# Functions shared by the benchmarks. Source it from the project folder, under `set -euo pipefail`.
#
# A benchmark calls `begin`, then for each round `round NAME`, `start_center`, ..., `end_center`, `drop`. All servers
# listen on loopback, all files are in a temporary folder, and both are removed in every case.

# A round that takes longer has hung.
limit_s=600

begin() { # PRODUCT...: builds the products and creates the folder $work
    scripts/bootstrap
    local product
    for product in "$@"; do swift build -c release --product "$product" >&2; done
    bin=$(swift build -c release --show-bin-path)
    work=$(mktemp -d "${TMPDIR:-/tmp}/tapline-bench.XXXXXX")
    chmod 711 "$work"
    children=()
    trap finish EXIT
    trap 'exit 130' INT TERM
}
finish() {
    local code=$? child
    # 130 means interrupted: no log is needed to explain that.
    [ $code -eq 0 ] || [ $code -eq 130 ] || tail -n 3 "$work"/*.log >&2 || true
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
    scripts/servers stop "$work/servers" || true
    rm -rf "$work"
}
start_servers() {
    scripts/servers start "$work/servers"
    # shellcheck source=/dev/null
    . "$work/servers/env"
}
# Sets $python, an interpreter with the packages that the peer and the watchers need.
start_python() {
    local venv=.build/bench-python
    if ! cmp -s scripts/benchmarks/requirements.txt "$venv/installed"; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/benchmarks/requirements.txt
        cp scripts/benchmarks/requirements.txt "$venv/installed"
    fi
    python=$PWD/$venv/bin/python
    export PYTHONDONTWRITEBYTECODE=1
}
# Starts a command with pipes to its standard input ($input) and standard output ($output); $piped is its process ID.
# A coprocess does not fit: bash allows one at a time, and closes its unread output when it ends.
start_piped() { # COMMAND...
    rm -f "$work/input" "$work/output"
    mkfifo "$work/input" "$work/output"
    "$@" <"$work/input" >"$work/output" 2>>"$work/piped.log" &
    piped=$!
    children+=("$piped")
    exec {input}>"$work/input" {output}<"$work/output"
}
await_word() { # DESCRIPTOR WORD
    local word=
    read -rt "$limit_s" -u "$1" word || true
    [ "$word" = "$2" ] || die "expected '$2', received '$word'"
}
end_piped() { # INPUT OUTPUT PROCESS
    local input=$1 output=$2
    exec {input}>&- {output}<&-
    wait "$3" || true
}
die() { echo "$*" >&2; exit 1; }

# Databases, each with a separate vhost.

on_server() { psql -XqAt -v ON_ERROR_STOP=1 "$TAPLINE_TEST_DATABASE_URL" -c "$1"; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$database" -c "$1"; }
database_url() { printf '%s/bench_%s' "${TAPLINE_TEST_DATABASE_URL%/*}" "$1"; }

# Creates the registry that every round starts with: 40,000 attendees with one tag each, and $1 more who tap once.
attendees=40000
make_registry() { # MARKERS PREFIX SCANNERS [PREFIX SCANNERS]...
    local markers=$1
    shift
    on_server "CREATE DATABASE bench_registry"
    database=$(database_url registry)
    "$bin/tapline-center" migrate --database-url "$database" >"$work/migrate.log" 2>&1 || die "$(cat "$work/migrate.log")"
    sql "INSERT INTO tapline.event (name) VALUES ('Bench');
         INSERT INTO tapline.zones (name) VALUES ('Festival');
         INSERT INTO tapline.gates (name, zone_id) SELECT 'Main', id FROM tapline.zones"
    while [ $# -gt 0 ]; do
        sql "INSERT INTO tapline.scanners (id, gate_id)
             SELECT '$1-' || lpad(n::text, 4, '0'), g.id FROM tapline.gates g, generate_series(1, $2) n"
        shift 2
    done
    "$bin/tapline-fleet" bench tags --attendees "$attendees" --more "$markers" >"$work/tags"
    psql -Xq -v ON_ERROR_STOP=1 "$database" -c "CREATE TEMP TABLE list (id bigserial, tag bigint)" \
        -c "\\copy list (tag) FROM '$work/tags'" \
        -c "INSERT INTO tapline.attendees (id, name) SELECT id, 'Attendee ' || id FROM list;
            INSERT INTO tapline.tags (tag_id, attendee_id) SELECT tag, id FROM list"
    psql -Xq "$database" -c "VACUUM ANALYZE"
}
round() { # NAME [TEMPLATE]: a fresh copy of the database, so that every round starts with the same empty tables
    name=$1
    on_server "CREATE DATABASE bench_$name TEMPLATE bench_${2:-registry}"
    scripts/servers vhost "$work/servers" "bench-$name"
    database=$(database_url "$name")
    broker=${TAPLINE_TEST_AMQP_URL%/*}/bench-$name
}
drop() { on_server "DROP DATABASE bench_$name WITH (FORCE)"; }

# The center.

free_port() {
    perl -MSocket -e 'socket S, PF_INET, SOCK_STREAM, 0; bind S, pack_sockaddr_in(0, INADDR_LOOPBACK);
        print((unpack_sockaddr_in(getsockname S))[0])'
}
start_center() { # OPTION...
    http=127.0.0.1:$(free_port)
    "$bin/tapline-center" run --amqp-url "$broker" --database-url "$database" --http "$http" \
        --relay-user tapline "$@" >>"$work/center.log" 2>&1 &
    center=$!
    children+=("$center")
}
check_center() { kill -0 "$center" 2>/dev/null || { tail "$work/center.log" >&2; die "the center ended"; }; }
await_ready() {
    until curl -fsS "http://$http/readyz" >/dev/null 2>&1; do
        check_center
        sleep 0.05
    done
}
end_center() {
    kill "$center" 2>/dev/null || true
    wait "$center" || true
}
# Only the center creates the topology. It then stops, so that the broker can fill up.
make_topology() {
    start_center
    await_ready
    end_center
}
# Starts the center on a backlog without letting it consume: scripts/benchmarks/hold.py holds the queues. Returns when
# the center is connected, subscribed and idle. Then `release_queues` starts the delivery.
settle_s=1
start_held_center() { # OPTION...
    start_piped "$python" scripts/benchmarks/hold.py "$broker" "$(sql "SELECT shards FROM tapline_internal.topology")"
    holder=("$input" "$output" "$piped")
    await_word "$output" held
    local before
    before=$(received)
    start_center "$@"
    await_ready
    sleep "$settle_s"
    [ "$(received)" = "$before" ] || die "the center received scans before the start of the clock"
}
release_queues() { echo >&"${holder[0]}"; }
end_holder() { end_piped "${holder[@]}"; }
received() { sql "SELECT coalesce(sum(received), 0) FROM tapline.journals"; }
# Starts a fleet and returns when its journals are full. The shell above it stays, with its counters, until `end_fleet`.
start_fleet() { # OPTION...
    start_piped bash -c '"$@"; echo ended; read -r' fleet "$bin/tapline-fleet" run --attendees "$attendees" \
        --amqp-url "$broker" --data "$work/fleet" --hold "$@"
    fleet=("$input" "$output" "$piped")
    await_word "$output" filled
    fleet_processes=(fleet="$piped" fleet="$(pgrep -P "$piped")")
}
publish_fleet() { echo >&"${fleet[0]}"; }
# Returns when the broker has confirmed all scans. Sets $summary, and $started to the time at which publishing began.
await_fleet() {
    read -rt "$limit_s" -u "${fleet[1]}" summary || die "the fleet did not finish"
    await_word "${fleet[1]}" ended
    started=$(field startedMs <<<"$summary" | sed 's/...$/.&/')
}
end_fleet() {
    # Other processes have inherited the pipe, so its end would not arrive.
    echo >&"${fleet[0]}"
    end_piped "${fleet[@]}"
    rm -rf "$work/fleet"
}
cpu_seconds() { awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$1/stat"; } # PID
peak_mb() { awk '/^VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; } # PID

# Waits until the journals have received that number of scans, redeliveries included, and every delivery is
# acknowledged. Sets $ended to that time. One session polls 50 times per second, which costs the database little.
await_received() { # SCANS [SQL-CONDITION]
    local received deadline=$((SECONDS + limit_s)) never input output piped
    exec {never}<> <(:)
    start_piped psql -XqAt "$database"
    while :; do
        echo "SELECT coalesce(sum(received), 0) FROM tapline.journals WHERE ${2:-true};" >&"$input"
        read -r received <&"$output" || die "the database does not answer"
        [ "$received" -lt "$1" ] || break
        check_center
        [ $SECONDS -lt $deadline ] || die "$received of $1 scans stored after $limit_s s"
        read -rt 0.02 -u "$never" || true
    done
    # With a condition, other scanners keep publishing, so there are always unacknowledged deliveries.
    until [ -n "${2:-}" ] || curl -fsS "http://$http/metrics" | grep '^tapline_ingest_unacknowledged_deliveries 0$' >/dev/null; do
        check_center
        [ $SECONDS -lt $deadline ] || die "deliveries are not acknowledged"
    done
    ended=$(now)
    exec {never}>&-
    end_piped "$input" "$output" "$piped"
}
# Waits until the tracker has taken all stored scans. Sets $tracked to that time.
await_tracked() {
    local deadline=$((SECONDS + limit_s))
    until [ "$(sql "SELECT count(*) FROM tapline_internal.tracking_queue")" = 0 ]; do
        [ $SECONDS -lt $deadline ] || die "not all scans are tracked after $limit_s s"
        sleep 0.05
    done
    tracked=$(now)
}
# Fails unless every scan was stored exactly once: the figure of an incomplete round is worthless.
check_balance() { # RECEIVED STORED
    local found
    found=$(sql "SELECT sum(received), sum(stored), sum(duplicates), sum(conflicts), (SELECT count(*) FROM tapline.scans),
        (SELECT count(*) FROM tapline.quarantine) FROM tapline.journals")
    [ "$found" = "$1|$2|$(($1 - $2))|0|$2|0" ] || die "received|stored|duplicates|conflicts|rows|quarantine: $found"
}
# Call it after the center has ended. Fails unless presence matches the stored scans (contract.md sections 4 and 5).
# Generated batches contain no annulments.
check_presence() {
    local wrong
    wrong=$(sql "SET work_mem = '256MB'; SELECT count(*) FROM (
        SELECT DISTINCT ON (s.tag_id) s.tag_id, tapline.scan_time(s.journal_id, s.seq, s.flags, s.scanned_at, s.received_at) AS since, j.scanner_id,
            CASE s.flags & 1 WHEN 0 THEN g.zone_id ELSE g.from_zone_id END AS zone_id
        FROM tapline.scans s JOIN tapline.journals j ON j.id = s.journal_id LEFT JOIN tapline.gates g ON g.id = s.gate_id
        WHERE s.verdict = 0 AND s.flags & 16 = 0
        ORDER BY s.tag_id, since DESC, j.log DESC, s.seq DESC) e
        FULL JOIN tapline.presence p USING (tag_id)
        WHERE (e.since, e.scanner_id, e.zone_id) IS DISTINCT FROM (p.since, p.scanner_id, p.zone_id)")
    [ "$wrong" = 0 ] || die "presence is wrong for $wrong tags"
}

# The gate, in a folder with two snapshots; $world holds the options that describe the attendees to `tapline-fleet bench`.

start_gate() { # FOLDER: descriptors 8 and 9 are its standard input and output
    rm -f "$work/taps" "$work/verdicts"
    mkfifo "$work/taps" "$work/verdicts"
    "$bin/tapline-gate" run --data "$work/$1" --scanner bench-1 --event-key-file "$work/event.key" --reader stdin \
        --output json <"$work/taps" >"$work/verdicts" 2>>"$work/gate.log" &
    gate=$!
    children+=("$gate")
    exec 8>"$work/taps" 9<"$work/verdicts"
}
end_gate() {
    exec 8>&- 9<&-
    wait "$gate" || { tail "$work/gate.log" >&2; echo "the gate failed" >&2; exit 1; }
}
tap() { # FIRST: prints median, p99, p99.9 and maximum
    rm -f "$work/report"
    "$bin/tapline-fleet" bench tap "${world[@]}" --report "$work/report" --first "$1" --count "$taps" \
        --gap-ms "$gap_ms" >&8 <&9
    cat "$work/report"
}
switch_snapshots() { # FOLDER: makes the other of its two snapshots current every second
    local version=1
    while sleep 1; do
        version=$((3 - version))
        echo "snapshot-$version.sqlite" >"$work/$1/snapshots/current.new"
        mv "$work/$1/snapshots/current.new" "$work/$1/snapshots/current"
    done
}

# Figures.

now() { printf '%s' "$EPOCHREALTIME"; }
seconds() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", b - a }'; } # FROM TO
rate() { awk -v n="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%.0f", n / (b - a) }'; } # COUNT FROM TO
declare -A figures
note() { figures[$1]+="$2"$'\n'; printf '%-12s %s\n' "$1" "$2" >&2; } # NAME FIGURE...
median() {
    sort -n | awk '{ v[NR] = $1 } END { printf "%.10g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
column() { printf '%s' "${figures[$1]}" | awk -v c="${2:-1}" '{ print $c }'; } # NAME [COLUMN]: one line per round
of() { column "$@" | median; } # NAME [COLUMN]
# Median of the ratios within a round. Both sides of a ratio ran close together, so a slow phase affects both.
ratio() { # NAME NAME [COLUMN]
    printf '%.2f' "$(paste <(column "$1" "${@:3}") <(column "$2" "${@:3}") | awk '{ print $1 / $2 }' | median)"
}
field() { sed "s/.*\"$1\":\([0-9.]*\).*/\1/"; } # NAME: a number in the JSON line on standard input
# Reads microseconds from standard input, prints median, p99, p99.9 and maximum in milliseconds, and the count.
quantiles() {
    sort -n | awk '{ v[NR] = $1 / 1000 }
        function at(q) { i = int(NR * q) + 1; return v[i > NR ? NR : i] }
        END { if (NR) printf "%.1f %.1f %.1f %.1f %d\n", at(0.5), at(0.99), at(0.999), v[NR], NR; else print "- - - - 0" }'
}
