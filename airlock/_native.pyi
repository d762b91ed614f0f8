"""The native crate: `native/src`, one file a subject. Every function releases the interpreter's lock."""
