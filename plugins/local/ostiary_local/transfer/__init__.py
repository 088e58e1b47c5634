"""Accounts in files: bringing many from elsewhere, and giving all of them away."""
