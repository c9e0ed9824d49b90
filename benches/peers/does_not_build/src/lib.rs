//! Nothing of its own: the crate that it depends on does not compile, on any toolchain of today.
