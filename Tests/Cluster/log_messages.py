"""Log messages of the programs that the cluster test waits for."""

# tapline-center
DATABASE_LOST = "database connection lost"
BROKER_LOST = "broker connection lost"
SHARD_TAKEN_OVER = "shard taken over from another center"
SHARD_RETURNED = "shard returned to its owner"
DELIVERIES_REQUEUED = "database unavailable, unacknowledged deliveries requeued"

# tapline-publisher, in the log of the fleet
BATCH_REJECTED = "batch rejected by broker"
PUBLISHER_BLOCKED = "publishing blocked by broker"
