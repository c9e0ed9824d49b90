//! Which citizen has which account at which bank, as a directory on disk.
