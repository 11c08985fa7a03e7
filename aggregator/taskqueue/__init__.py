"""Where jobs wait: `local` in this process. Never runs a job that it was not given by name, never remembers one over a restart."""
