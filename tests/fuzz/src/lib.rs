//! What must hold for any bytes that come from outside or from a disk: the fuzz targets run it, and so do plain tests over the
//! corpus.

pub mod codec;
pub mod others;
