//! What `run` needs beside a configuration without mistakes, and is not there yet.

use std::path::Path;

use enrolment::Enrolment;

use super::{HsmModule, Settings};
use crate::heads::were_kept;

/// What a start would be refused for, a line each, with the command that makes it, in the order in which these are done.
pub(super) fn wanting(settings: &Settings) -> Vec<String> {
    let module = settings.hsm.as_ref().and_then(|hsm| {
        let (HsmModule::Software { file, .. } | HsmModule::PayShield { tokens: file, .. }) = &hsm.module;
        let is_there = file.exists();
        (!is_there)
            .then(|| format!("hsm.file: {} is not there; `atm-switch keys create` makes it", file.display()))
    });
    let enrolment = Enrolment::open(&settings.switch.enrolment_dir).err();
    let enrolment = enrolment
        .map(|error| format!("switch.enrolment_dir: {error}; `atm-switch enrolment import` takes it in"));
    [module, enrolment, heads(settings)].into_iter().flatten().collect()
}

/// A place for heads is made by nobody but who runs the switch: it stands elsewhere than the log, perhaps on another machine's disk.
fn heads(settings: &Settings) -> Option<String> {
    let file = &settings.heads.as_ref()?.file;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.is_dir() {
        return Some(format!("log.heads_file: there is no directory {}; make it", dir.display()));
    }
    let is_first = !file.exists() && !were_kept(&settings.switch.log_dir);
    is_first.then(|| {
        format!(
            "log.heads_file: no head was ever kept in {}; `atm-switch log begin-heads` says that this is the first start",
            file.display()
        )
    })
}
