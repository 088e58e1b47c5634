"""Users in the console: finding them, and what each holds, does and may do."""

from __future__ import annotations

from ostiary.pages.console.users import access, listing, new, one, rights, several, taking

MODULES = (listing, new, several, one, access, taking, rights)
