"""One file a job, each reads like the flow: load -> pure stages -> save. Never holds SQL, a rule or a socket.

Every task may run twice or be killed anywhere: it claims its rows first and commits what belongs together at once.
"""
