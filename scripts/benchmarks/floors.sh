# shellcheck shell=bash disable=SC2154
# The floors of `scripts/bench ingest`: binary COPY of the same scans. Source it after parts.sh and meter.sh.
#
# Rows are in the order of the center's groups: 500 of one journal, then of the next. The files of two connections hold
# the journals with even and with odd numbers.

write_file() { # FILE QUERY
    sql "COPY ($2) TO STDOUT (FORMAT binary)" >"$work/$1"
}
# Writes the files from the scans and runs of the prepared round. Then empties the table of the runs: journals and
# partitions stay.
write_floor_files() {
    local rows part
    rows="SELECT journal_id, seq, tag_id, scanned_at, verdict, flags, gate_id, snapshot_version, received_at
        FROM tapline.scans"
    write_file rows "$rows ORDER BY (seq - 1) / 500, journal_id, seq"
    for part in 0 1; do
        write_file "rows-$part" "$rows WHERE journal_id % 2 = $part ORDER BY (seq - 1) / 500, journal_id, seq"
        write_file "runs-$part" "SELECT * FROM tapline_internal.scan_runs WHERE journal_id % 2 = $part
            ORDER BY first_seq, journal_id"
    done
    sql "TRUNCATE tapline_internal.scan_runs"
}
make_floor_tables() { psql -Xq -v ON_ERROR_STOP=1 "$database" -f scripts/benchmarks/floor.sql; }

# Copies the files into a table, each by a separate connection that is open before the clock starts, until the last
# commit. Notes scans/s, CPU seconds, WAL and size. COUNT is an SQL expression for the number of scans in the table.
floor() { # NAME TABLE COUNT FILE...
    local name=$1 table=$2 count=$3 started session
    local input output piped inputs=() outputs=() clients=()
    shift 3
    for session in "$@"; do
        PGAPPNAME='COPY' start_piped psql -XqAt -v ON_ERROR_STOP=1 "$database"
        inputs+=("$input") outputs+=("$output") clients+=("$piped")
        echo "SELECT 'ready';" >&"$input"
        await_word "$output" ready
    done
    sql "CHECKPOINT"
    start_meter "${clients[@]/#/psql=}"
    started=$(now)
    for session in "${!clients[@]}"; do
        printf "%s\n" "\\copy $table FROM '$work/$1' (FORMAT binary)" "SELECT 'done';" >&"${inputs[session]}"
        shift
    done
    for session in "${!clients[@]}"; do await_word "${outputs[session]}" "done"; done
    ended=$(now)
    note "$name" "$(rate "$scans" "$started" "$ended")"
    stop_meter "$name" "$scans"
    # In reverse order: a later session has inherited the descriptors of the earlier ones.
    for session in $(printf '%s\n' "${!clients[@]}" | tac); do
        end_piped "${inputs[session]}" "${outputs[session]}" "${clients[session]}"
    done
    [ "$(sql "SELECT $count FROM $table")" = "$scans" ] || die "the floor lost scans"
    note_size "$name" "$scans" "$table"
    sql "TRUNCATE $table"
}
floors() { # ROUND
    database=$(database_url prepared)
    local turns=(
        "rows1 floor.scans count(*) rows" "rows2 floor.scans count(*) rows-0 rows-1"
        "keyed1 floor.keyed count(*) rows" "keyed2 floor.keyed count(*) rows-0 rows-1"
        "runs2 tapline_internal.scan_runs sum(last_seq-first_seq+1) runs-0 runs-1"
    )
    local turn
    for turn in $(order "$1" "${!turns[@]}"); do
        set -f
        # shellcheck disable=SC2086
        floor ${turns[turn]}
        set +f
    done
}
# Prints the words, in reverse order in every second round.
order() { # ROUND WORD...
    local round=$1
    shift
    printf '%s\n' "$@" | if ((round % 2)); then cat; else tac; fi
}
