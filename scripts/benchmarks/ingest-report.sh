# shellcheck shell=bash disable=SC2154
# Prints the medians of `scripts/bench ingest`, which sources it at its end.

row() { # TEXT NAME
    printf '%-58s %10.0f scans/s (%s)\n' "$1" "$(of "$2")" \
        "$(column "$2" | sort -n | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /')"
}
aim() { printf '%-58s %10s   aim %s\n' "$1" "$(ratio "$2" "$3")" "$4"; } # TEXT NAME NAME AIM
of_center() { # TEXT COLUMN UNIT [AIM]
    printf '%-58s %10s %s (50 %%: %s, 100 %%: %s)%s\n' "$1" "$(of new "$2")" "$3" "$(of mixed "$2")" "$(of again "$2")" \
        "${4:+   aim $4}"
}
printf '%s scans of %s scanners, medians of %s rounds on %s cores\n' "$scans" "$scanners" "$repeat" "$(nproc)"
row "COPY of rows, one connection" rows1
row "COPY of rows, two connections (the floor)" rows2
row "COPY of rows with a primary key only, one connection" keyed1
row "COPY of rows with a primary key only, two connections" keyed2
row "COPY of runs, two connections" runs2
row "Python peer, $processes processes, rows, no tracking" peer-rows
row "Python peer, $processes processes, batches, no tracking" peer-batches
row "center, 0 % duplicates, tracking on" new
row "center, 50 % duplicates" mixed
row "center, 100 % duplicates" again
row "journals -> publishers -> broker -> center, all at once" whole
printf '\n'
aim "center / two-connection COPY of rows" new rows2 "2.50"
aim "center / Python peer that stores rows" new peer-rows "8.00"
aim "center / Python peer that stores batches" new peer-batches "2.00"
aim "50 % duplicates / 0 % duplicates" mixed new "1.00"
aim "100 % duplicates / 0 % duplicates" again new "1.00"
printf '%-58s %10s\n' "center / two-connection COPY of runs" "$(ratio new runs2)"
of_center "CPU of the center per million scans, 0 % duplicates" 2 s "at most 0.25"
of_center "peak RSS of the center, 0 % duplicates" 3 MB "under 100"
of_center "tracked later than stored by, 0 % duplicates" 4 s
printf '\n'
printf '%s\n' "${cpu_table[@]}" | print_table "CPU seconds per million scans" %.3f "$repeat" \
    rows1 rows2 keyed1 keyed2 runs2 peer-rows peer-batches new mixed again whole
printf '\n'
printf '%s\n' "${byte_table[@]}" | print_table "bytes per scan" %.1f "$repeat" \
    rows1 rows2 keyed1 keyed2 runs2 peer-rows peer-batches new mixed again whole
