export default {
  // Units.
  s: "s", min: "min", h: "h", d: "d",
  // Frame of the page.
  "other-language": "العربية", "theme-auto": "Theme: auto", "theme-dark": "Theme: dark", "theme-light": "Theme: light",
  "skip": "Skip to the alarms", find: "Find a person", "sound-on": "Sound: on", "sound-off": "Sound: off",
  full: "Full screen", notice: "Notice", controls: "Controls", wall: "Wall",
  live: "Live", waiting: "Waiting for data", "no-data": "No data for {age}", refused: "Not permitted: log in",
  "stale-help": "The numbers below are of {at}. The page reconnects by itself.",
  "login-help": "This site shows its counts only after a log-in.",
  "old": "old: as of {at}, {age} ago", unknown: "not known",
  "data-stopped": "No data. The numbers on this page are old.", "data-runs": "Data are live.",
  // Servers.
  broker: "Broker", database: "Database", center: "Center", ok: "OK", "away-since": "away since {at}",
  "centers-running": "{n} running", "centers-no broker": "no broker", "centers-stopped": "stopped",
  "centers-never run": "never started",
  // Zones.
  zones: "Zones", inside: "inside",
  "level-go": "GO", "level-busy": "BUSY", "level-full": "FULL", "level-uncapped": "NO LIMIT", "level-unknown": "NOT KNOWN",
  "of": "of {n}", "net-hour": "{n} an hour", "full-in": "full in {age}", "in-zone": "in {zone}",
  "lanes-all": "all {n} lanes heard", "lanes-some": "{n} of {all} lanes silent", "no-lanes": "no lanes",
  unsent: "{n} unsent", heard: "heard {at}", "zone-none": "There is no zone “{zone}”.", "no-zones": "No zones are set up.",
  "sign-none": "NO DATA", back: "All zones",
  // Gates.
  gates: "Gates", gate: "Gate", in: "In", out: "Out", "per-min": "/min", today: "today", "in-today": "In today",
  lanes: "Lanes", "last-tap": "Last tap", "last-hour": "Last hour", "n-silent": "{n} silent", "n-closed": "{n} closed", "n-free": "{n} free",
  drop: "▼ {percent} %", "drop-long": "drop from {before} to {now}", "no-gates": "No gates are set up.", "never": "none",
  "refused-long": "Refused",
  // Arrivals.
  arrivals: "Arrivals", "arrived-of": "of {n} expected", "by-category": "By category", "by-pass": "By pass", more: "{n} more",
  curve: "Entries from outside, per 15 min", yesterday: "yesterday", peak: "peak {n} an hour at {at}", "re-entries": "re-entries included",
  "no-name": "without a name",
  // Refused, doubles.
  "refused-by": "Refused", reason: "Reason", hour: "Last hour", day: "Today", "no-refused": "None today.", total: "Total",
  doubles: "Double admissions", "doubles-count": "{settled} settled, {unsettled} not settled yet", "no-doubles": "None today.",
  "double-at": "{zone}: {first}, then {second}",
  "v-unknown": "Unknown tag", "v-blocked": "Blocked person", "v-no-access": "No access here", "v-outside-time": "Outside its time",
  "v-inside": "Already inside", "v-no-snapshot": "No list on the lane", "v-not-authentic": "Not authentic", "v-lost": "Lost or replaced",
  "v-void": "Void", "v-annulled": "Annulled", "v-admitted": "Admitted",
  // Fleet.
  fleet: "Scanners", scanner: "Scanner", state: "State", backlog: "Backlog", "heard-ago": "Heard", "fleet-backlog": "{n} scans not sent yet, the oldest {age} ago",
  "fleet-complete": "All scans are here.", "catch-up": "{n}, about {age}", "cells": "One cell a scanner: {list}",
  "f-live": "live", "f-catching-up": "catching up", "f-silent": "silent", "f-never-heard": "never heard", "f-no-center": "no center", "f-awaited": "awaited",
  "f-lane-down": "lane down", "f-reader": "reader", "f-turnstile": "turnstile", "f-closed": "closed", "f-free": "free", "f-disk": "disk", "f-clock": "clock",
  "f-alarm": "alarm", "f-gaps": "gaps", "f-old-list": "old list", "f-unreported": "no report", "f-disabled": "disabled",
  // Ingest.
  ingest: "Ingest", queue: "Queue", "queue-of": "{ready} waiting, {unacked} in work", "scans-s": "Stored", "a-second": "{n} scans a second",
  dead: "Dead letters", quarantine: "Quarantine", batches: "batches: {n}", "quarantine-is-full": "full", gaps: "Missing scans", lag: "Counting delay", ms: "{n} ms",
  list: "List", "list-age": "version {version}, {age} old", "list-ends": "valid for {age}", "list-ended": "expired", "no-list": "none published",
  // Alarms.
  alarms: "Alarms", "no-alarms": "No alarms", "level-alarm": "Alarm", "level-warn": "Warning", seen: "Seen", "seen-label": "Mark as seen: {what}", since: "since {at}",
  "alarms-more": "{n} more alarms",
  "a-zone-full": "{zone} is full: {percent} %, {inside} inside of {capacity}", "a-zone-busy": "{zone} is busy: {percent} %, {inside} inside of {capacity}",
  "a-gate-drop": "{gate}: flow fell by {percent} %, from {before} to {now} people in {interval}",
  "a-broker-away": "The broker is away. Gates go on; their scans wait on the devices.",
  "a-database-away": "The database is away. Numbers are not counted until it is back.",
  "a-no-center": "No center receives scans.", "a-lane-down": "Lanes down: {n}", "a-silent": "Silent scanners: {n}", "a-reader": "Readers that do not work: {n}",
  "a-turnstile": "Turnstiles that do not work: {n}", "a-dead-letters": "Dead letters: {n}", "a-quarantine": "Batches in quarantine: {n}",
  "a-quarantine-full": "The quarantine of {owner} is full", "a-gaps": "Missing scans: {n}", "a-doubles": "Double admissions: {n}",
  "a-snapshot-old": "The published list is {age} old and expires soon", "a-snapshot-expired": "The published list has expired", "a-snapshot-failing": "The list cannot be published: {problem}",
  "a-tracking-late": "Counting is {lag} behind", "a-backlog": "{scans} scans are not sent yet, the oldest {oldest} old",
  "a-old-list": "Scanners with an old list: {n}", "a-clock": "Scanners with a wrong clock: {n}",
  // Search.
  "find-help": "Part of a name, a reference, a tag or a code", close: "Close", "find-none": "No match for “{text}”.", "find-some": "Matches: {n}",
  "find-more": "First {n} matches; type more to narrow them.", "find-401": "Names need a log-in with a token of the role viewer-names.",
  "find-403": "This token shows counts only. Names need the role viewer-names.", "find-503": "The center is busy. Try again.", "find-error": "The center does not answer. Try again.",
  "log-in": "Log in", "log-out": "Log out", category: "Category", reference: "Reference", status: "Status", pass: "Pass", place: "Place now", off: "off site", "not-seen": "not seen today", erased: "erased", "void-scan": "scan is void",
  "track": "Track of the day", time: "Time", way: "Way", verdict: "Result", "way-in": "in", "way-out": "out", "refusals": "Why refused", version: "List",
  "no-track": "No scans today.", "no-refusals": "Not refused today.", "not-counted": "not counted", replayed: "The reason is worked out again from the list of that time.",
  "s-active": "active", "s-blocked": "blocked", "s-void": "void", "s-lost": "lost", "back-list": "Back to the matches",
  // Log-in.
  "login-title": "Log in", token: "Token", "login-words": "Paste the token that an administrator made for you.", "login-failed": "This token is not valid. It may have expired or been revoked.",
  "login-busy": "Too many attempts. Wait a minute.",
};
