"""What tests share: a home of their own, the real command, and waiting for conditions instead of sleeping."""
