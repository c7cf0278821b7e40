//! What a key is: its secrets, their digests, its record.
