"""The outside world: each file fulfils one port with one technology."""
