//! Spans, source files and diagnostics as data, and their rendering.
