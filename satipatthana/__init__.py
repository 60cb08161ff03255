"""The trust framework. Empty until its own issue builds it; the package's place is reserved."""
