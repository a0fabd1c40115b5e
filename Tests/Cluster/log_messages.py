"""Log messages of the programs that the cluster test waits for."""

# tapline-center
DATABASE_LOST = "database away"
BROKER_LOST = "broker away"
SHARD_TAKEN_OVER = "took over from another center"
SHARD_RETURNED = "handed back to the center that is there again"
DELIVERIES_REQUEUED = "gave the deliveries back: the database is away too long"

# tapline-publisher, in the log of the fleet
BATCH_REJECTED = "refuses batches"
PUBLISHER_BLOCKED = "the broker is blocked"
