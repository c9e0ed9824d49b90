//! What a question that found no answer comes to: whether nobody was there, or somebody who said what is not to be believed.

use std::error::Error;
use std::io::{self, ErrorKind};

use hyper_util::client::legacy;

use super::contract::Reason;

/// Causes of an error that are looked at; none has so many.
const CAUSES_MAX: usize = 16;

/// What the system says of a peer that is not there, or not any more.
const GONE: [ErrorKind; 10] = [
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionAborted,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkDown,
    ErrorKind::NetworkUnreachable,
    ErrorKind::NotConnected,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
];

/// The reason behind what the client of HTTP says. Only what says that nobody is there is [`Reason::Transport`]; what is not
/// known is not that.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Reason {
    let told = whole(error);
    match causes(error).any(says_nobody) {
        true => Reason::Transport(told),
        false => Reason::Http(told),
    }
}

fn says_nobody(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        return error.is_connect();
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            || error.is_timeout();
    }
    // What comes from the other end, under TLS, is the registry's own word that it goes.
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return error.is_remote() || error.get_io().is_some_and(is_gone);
    }
    error.downcast_ref::<io::Error>().is_some_and(is_gone)
}

fn is_gone(error: &io::Error) -> bool {
    GONE.contains(&error.kind())
}

/// The error and what stands behind it; also what an I/O error wraps, which it does not call its source.
pub(super) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let next = |error: &&'e (dyn Error + 'static)| {
        let error: &'e (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &'e (dyn Error + 'static)).or_else(|| error.source())
    };
    std::iter::successors(Some(error), next).take(CAUSES_MAX)
}

/// An error with its causes: the outermost alone says no more than "client error".
pub(super) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = causes(error).map(ToString::to_string).collect();
    // What wraps another in I/O says the same once more.
    told.dedup();
    told.join(": ")
}
