"""Workers on other machines, by Ray Core. Needs the extra `cluster`, and nothing else imports Ray.

The server never imports Ray itself: Ray ends or aborts a process whose head is gone. A process of
its own, `bridge`, is the head and Ray's driver, and is replaced if it ends.
"""
