"""What things are: frozen values with no behaviour beyond their shape. Never imports more than the standard library.

One shape per role: what a publisher said (`parsed`), what is stored (`entry`, `feed`, `story`, `newsletter`,
`subscriber`, `delivery`), what the editor set (`settings`). All instants are aware and in UTC.
"""
