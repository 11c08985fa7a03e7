"""The public door: feeds, pages, unsubscribe and health over HTTP. Never holds a rule; `tasks` make what it shows."""
