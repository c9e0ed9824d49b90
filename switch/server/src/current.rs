//! What a reload of the configuration replaces while others use it: each takes it as it is when it begins.

use std::sync::{Arc, RwLock};

use mutant::Mutant;

/// The newest of something. Whoever has taken an older one keeps it.
#[derive(Debug)]
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// Begins with this one.
    pub fn new(first: T) -> Current<T> {
        Current(RwLock::new(Arc::new(first)))
    }

    /// As it is now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().expect("nothing panics while it holds the lock"))
    }

    /// Another from now on.
    pub fn replace(&self, next: T) {
        if !mutant::is(Mutant::OldDoorKept) {
            *self.0.write().expect("nothing panics while it holds the lock") = Arc::new(next);
        }
    }
}
