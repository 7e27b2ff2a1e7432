"""What users, disks and other programs can put before smalls, and must never make it lie, hang or trip."""
