# shellcheck shell=bash disable=SC2154
# CPU seconds of each process and bytes of WAL of a measurement. Source it after parts.sh.
#
# A session of PostgreSQL is named after its application_name. The counters of a process include those of its children
# that have ended. So the line "parent" contains the sessions of PostgreSQL that have ended.

cpu_table=() byte_table=()

# Writes "PID <tab> NAME <tab> SECONDS" for the given processes, the broker, and all processes of PostgreSQL.
read_meter() { # FILE NAME=PID...
    local file=$1 pair
    shift
    {
        for pair in "$@"; do printf '%s\t%s\n' "${pair##*=}" "${pair%=*}"; done
        printf '%s\tbroker\n' "$(head -n 1 "$work/servers/broker/broker.pid")"
        printf '%s\tPostgreSQL, parent\n' "$(head -n 1 "$work/servers/database/data/postmaster.pid")"
        on_server "SELECT pid || E'\t' || CASE application_name WHEN '' THEN 'PostgreSQL, ' || backend_type
                WHEN 'psql' THEN 'PostgreSQL, sessions of the benchmark' ELSE 'PostgreSQL, ' || application_name END
            FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    } | awk -F '\t' -v hz="$(getconf CLK_TCK)" '{
        file = "/proc/" $1 "/stat"
        if ((getline line <file) > 0) {
            # The name of the program is in parentheses and may contain blanks.
            sub(/.*\) /, "", line)
            split(line, field, " ")
            printf "%s\t%s\t%.2f\n", $1, $2, (field[12] + field[13] + field[14] + field[15]) / hz
        }
        close(file)
    }' >"$file"
}
wal_bytes() { on_server "SELECT pg_current_wal_insert_lsn() - '0/0'"; }

start_meter() { # NAME=PID...
    metered=("$@")
    wal_before=$(wal_bytes)
    read_meter "$work/before" "$@"
}
# Call it while all processes of interest live, or their parents that are metered by the same name.
stop_meter() { # COLUMN SCANS
    read_meter "$work/after" "${metered[@]}"
    cpu_table+=("$(awk -F '\t' -v column="$1" -v scans="$2" '
        # The counters of a process that has ended are now those of its parent.
        { used[$2] += NR == FNR ? -$3 : $3; used["all processes"] += NR == FNR ? -$3 : $3 }
        END { for (name in used) if (used[name] > 0) printf "%s\t%s\t%.4f\n", column, name, used[name] * 1e6 / scans }' \
        "$work/before" "$work/after")")
    note_bytes "$1" "$2" "WAL" $(($(wal_bytes) - wal_before))
}
note_bytes() { # COLUMN SCANS NAME BYTES
    byte_table+=("$1"$'\t'"$3"$'\t'"$(awk -v b="$4" -v n="$2" 'BEGIN { printf "%.1f", b / n }')")
}
# Notes the size of a table per scan, and that of its indexes. Both are sums over its partitions.
note_size() { # COLUMN SCANS TABLE
    local heap indexes
    IFS='|' read -r heap indexes < <(sql "SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
        FROM pg_partition_tree('$3') WHERE isleaf")
    note_bytes "$1" "$2" table "$heap"
    note_bytes "$1" "$2" indexes "$indexes"
}

# Prints the medians of lines "COLUMN <tab> NAME <tab> FIGURE" on standard input, one row per name, the largest first.
print_table() { # TITLE FORMAT ROUNDS COLUMN...
    local title=$1 format=$2 rounds=$3
    shift 3
    awk -F '\t' -v title="$title" -v format="$format" -v rounds="$rounds" -v columns="$*" '
        NF == 3 { figures[$2, $1] = figures[$2, $1] " " $3; names[$2]; total[$2] += $3 }
        # A process without a line in a round has used nothing in it.
        function median(text, value, n, i, j, v) {
            n = split(text, value, " ")
            while (n < rounds) value[++n] = 0
            for (i = 2; i <= n; i++) {
                v = value[i] + 0
                for (j = i; j > 1 && value[j - 1] + 0 > v; j--) value[j] = value[j - 1]
                value[j] = v
            }
            return n % 2 ? value[(n + 1) / 2] : (value[n / 2] + value[n / 2 + 1]) / 2
        }
        function show(cell) { printf " %" (length(column[c]) > 6 ? length(column[c]) : 6) "s", cell }
        END {
            count = split(columns, column, " ")
            printf "%-48s", title
            for (c = 1; c <= count; c++) show(column[c])
            print ""
            while (1) {
                largest = ""
                for (name in names) if (largest == "" || total[name] > total[largest]) largest = name
                if (largest == "") break
                printf "  %-46s", largest
                for (c = 1; c <= count; c++) {
                    known = (largest SUBSEP column[c]) in figures
                    show(known ? sprintf(format, median(figures[largest, column[c]])) : "-")
                }
                print ""
                delete names[largest]
            }
        }'
}
