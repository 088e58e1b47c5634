"""OpenID Connect, OAuth 2.0 and OAuth 1.0a, as far as their clients go; authlib does the work."""
