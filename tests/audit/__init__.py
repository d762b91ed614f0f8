"""The audit for shadow dependencies."""
