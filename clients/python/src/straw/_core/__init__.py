"""What the blocking and the asyncio client have in common: decisions, without a thread, a task or any I/O."""
