"""Where jobs wait: `local` in this process. Never runs what it was not given by name, never outlives a restart."""
