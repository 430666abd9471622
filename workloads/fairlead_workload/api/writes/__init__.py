"""POST, PUT, PATCH and DELETE: checked once, then carried out in one of three ways (Sync, Accepted, write-back)."""
