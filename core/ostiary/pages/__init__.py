"""The pages for people: signing in, one's own account, and the console.

They are drawn on the server, from what strategies and actions declare, and have no power of their
own: what a page shows or does, it asks of the API, with the rights of who looks at it.
"""
