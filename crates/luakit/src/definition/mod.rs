//! Definitions as `build` writes and `solve` reads them: the record that goes along, and another platform for one.

pub(crate) mod record;
pub(crate) mod retarget;
