//! States, vertices and their exact bytes.
