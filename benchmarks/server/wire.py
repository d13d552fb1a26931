"""What do the router and the stub know of each other? How long vectors are, and where answers come late."""

DIMENSIONS = 1536
SLOW = "slow"
