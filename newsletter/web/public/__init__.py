"""The pages for readers: sign up, confirm, leave, choose, read; and the doors for providers and other programs.

`create_app` puts them together. Each page works without JavaScript, sets no cookie, and changes nothing on GET or HEAD.
"""

from newsletter.web.public.application import create_app

__all__ = ["create_app"]
