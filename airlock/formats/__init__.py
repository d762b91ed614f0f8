"""One module a file format; `schema/` holds its twin under the same name."""
