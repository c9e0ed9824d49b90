//! Country signers and their revocation lists, from directories: read at the start, at SIGHUP, and when the files change.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use credential::{Algorithms, LIST_BYTES_MAX, ListRule, TrustStore};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::list_memory::ListMemory;
use crate::proofs::Proofs;

/// Files of one directory; more are refused, and of lists a start takes the first by name.
const FILES_MAX: usize = 1_000;

/// Bytes of one file: a revocation list in PEM.
const FILE_BYTES_MAX: u64 = 2 * LIST_BYTES_MAX as u64;

/// What is left aside is told in so many lines, at a start and by `check`.
const LEFT_ASIDE_TOLD_MAX: usize = 20;

/// Where the trusted files are, and what holds of them.
#[derive(Clone, Debug)]
pub struct TrustFiles {
    /// Every file is one or more certificates of country signers, PEM or DER.
    pub csca_dir: PathBuf,
    /// Every file is one or more revocation lists, PEM or DER; `None`: no lists are kept, and nobody is revoked.
    pub crl_dir: Option<PathBuf>,
    /// The algorithms that are allowed.
    pub algorithms: Algorithms,
    /// How old lists may be.
    pub rule: ListRule,
    /// The directories are looked at again after so many seconds.
    pub reread_s: u64,
}

/// Why the files make no trust store: the key of the configuration that names them, and the reason with the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustMistake {
    /// `csca_dir` or `crl_dir`.
    pub key: &'static str,
    /// Path and what is wrong.
    pub reason: String,
}

/// What a start trusts.
#[derive(Debug)]
pub struct StartTrust {
    /// All authorities, and the revocation lists that can be used.
    pub trust: TrustStore,
    /// Path and reason of what of `crl_dir` cannot be used: the start goes without it.
    left_aside: Vec<String>,
}

impl StartTrust {
    /// What is left aside, a line each; of more than 20 lines the number.
    pub fn left_aside(&self) -> Vec<String> {
        let mut told: Vec<String> = self.left_aside.iter().take(LEFT_ASIDE_TOLD_MAX).cloned().collect();
        let more = self.left_aside.len() - told.len();
        if more > 0 {
            told.push(format!("and {more} more like these"));
        }
        told
    }

    /// Tells the program's log and the metrics what is left aside.
    pub(crate) fn tell(&self) {
        let left_aside = self.left_aside();
        if !left_aside.is_empty() {
            metrics::gauge!("atm_switch_trust_files_refused").set(1.0);
        }
        for reason in left_aside {
            tracing::error!(key = "crl_dir", reason, "left aside: the start goes without this list");
        }
    }
}

/// What a directory's files hold, DER, each with its file, in the order of the files' names; or what is wrong with a file, its
/// path before it.
type Found = Vec<(PathBuf, Result<Vec<u8>, String>)>;

/// The files as they were at a moment.
struct Files {
    certificates: Vec<(PathBuf, Vec<u8>)>,
    lists: Vec<(PathBuf, Vec<u8>)>,
    digest: [u8; 32],
}

impl TrustFiles {
    /// What a start trusts: every authority, or nothing; and the lists that can be used. A list that cannot be would keep the switch
    /// down behind a restart, for every bank and authority: without it, its own authority's cards alone are 91 (`crl_stale`).
    ///
    /// # Errors
    /// The first file of `csca_dir` that cannot be used, that directory without any certificate, or a directory that cannot be
    /// read.
    pub fn read(&self) -> Result<StartTrust, TrustMistake> {
        let trust = self.authorities(&whole("csca_dir", self.certificates()?)?)?;
        if self.crl_dir.is_none() {
            return Ok(StartTrust { trust, left_aside: Vec::new() });
        }
        let (mut lists, mut left_aside) = (Vec::new(), Vec::new());
        for (path, found) in self.lists()? {
            match found {
                Ok(der) => lists.push((path, der)),
                Err(reason) => left_aside.push(reason),
            }
        }
        let (trust, refused) = trust.with_good_lists(lists.iter().map(|(_, der)| der.as_slice()), self.rule);
        left_aside.extend(refused.into_iter().map(|(place, error)| named(&lists[place].0, &error)));
        left_aside.dedup();
        Ok(StartTrust { trust, left_aside })
    }

    /// The files of both directories, all of them good to read.
    fn files(&self) -> Result<Files, TrustMistake> {
        let certificates = whole("csca_dir", self.certificates()?)?;
        let lists = whole("crl_dir", self.lists()?)?;
        let mut digest = Context::new(&SHA256);
        for (kind, list) in [(0, &certificates), (1, &lists)] {
            for (_, der) in list {
                digest.update(&[kind]);
                digest.update(&(der.len() as u64).to_be_bytes());
                digest.update(der);
            }
        }
        let digest = digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Files { certificates, lists, digest })
    }

    fn certificates(&self) -> Result<Found, TrustMistake> {
        let certificates = found::<CertificateDer<'static>>(&self.csca_dir);
        certificates.map_err(|reason| TrustMistake { key: "csca_dir", reason })
    }

    /// None where no lists are kept.
    fn lists(&self) -> Result<Found, TrustMistake> {
        let Some(directory) = &self.crl_dir else { return Ok(Found::new()) };
        let lists = found::<CertificateRevocationListDer<'static>>(directory);
        lists.map_err(|reason| TrustMistake { key: "crl_dir", reason })
    }

    /// A trust store of the files, whole or not at all.
    fn store(&self, files: &Files) -> Result<TrustStore, TrustMistake> {
        let trust = self.authorities(&files.certificates)?;
        if self.crl_dir.is_none() {
            return Ok(trust);
        }
        let trust = trust.with_lists(files.lists.iter().map(|(_, der)| der.as_slice()), self.rule);
        trust.map_err(|(place, error)| mistake("crl_dir", &files.lists[place].0, &error))
    }

    fn authorities(&self, certificates: &[(PathBuf, Vec<u8>)]) -> Result<TrustStore, TrustMistake> {
        if certificates.is_empty() {
            return Err(mistake("csca_dir", &self.csca_dir, &"holds no certificate"));
        }
        let trust = TrustStore::new(certificates.iter().map(|(_, der)| der.as_slice()), self.algorithms);
        trust.map_err(|(place, error)| mistake("csca_dir", &certificates[place].0, &error))
    }
}

fn named(path: &Path, error: &dyn Display) -> String {
    format!("{}: {error}", path.display())
}

fn mistake(key: &'static str, path: &Path, error: &dyn Display) -> TrustMistake {
    TrustMistake { key, reason: named(path, error) }
}

/// What was found, or the first thing that is wrong with it.
fn whole(key: &'static str, found: Found) -> Result<Vec<(PathBuf, Vec<u8>)>, TrustMistake> {
    let good = |(path, der): (PathBuf, Result<Vec<u8>, String>)| der.map(|der| (path, der));
    found.into_iter().map(good).collect::<Result<_, _>>().map_err(|reason| TrustMistake { key, reason })
}

/// What the files of a directory hold: in PEM as many items of this kind as there are, otherwise one. Of a directory with
/// too many files the first by name are read.
///
/// # Errors
/// The directory cannot be read.
fn found<T: PemObject + AsRef<[u8]>>(directory: &Path) -> Result<Found, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| named(directory, &error))?;
    let (mut paths, mut are_too_many) = (BTreeSet::new(), false);
    for entry in entries {
        paths.insert(entry.map_err(|error| named(directory, &error))?.path());
        if paths.len() > FILES_MAX {
            paths.pop_last();
            are_too_many = true;
        }
    }
    let mut all = Found::new();
    if are_too_many {
        let reason = named(directory, &format!("holds more than {FILES_MAX} files"));
        all.push((directory.to_owned(), Err(reason)));
    }
    for path in paths {
        let bytes = match read_bounded(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(reason) => {
                let reason = named(&path, &reason);
                all.push((path, Err(reason)));
                continue;
            }
        };
        if !bytes.starts_with(b"-----BEGIN") {
            all.push((path, Ok(bytes)));
            continue;
        }
        for item in T::pem_slice_iter(&bytes) {
            let is_end = item.is_err();
            let der = item.map(|item| item.as_ref().to_vec()).map_err(|error| named(&path, &error));
            all.push((path.clone(), der));
            if is_end {
                break;
            }
        }
    }
    Ok(all)
}

/// A file's bytes; nothing for what is no file.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Ok(None);
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(format!("has more than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read(path).map(Some).map_err(|error| error.to_string())
}

/// Looks at the directories again and again, puts new files into use, and tells when a list grows old.
pub(crate) struct TrustKeeper {
    files: TrustFiles,
    memory: ListMemory,
    proofs: Arc<Proofs>,
    clock: Clock,
    /// Digest of the files that were read last, and why they were refused, if they were.
    seen: Option<([u8; 32], Option<TrustMistake>)>,
    /// What was wrong at the last look: each is told once.
    told: Option<TrustMistake>,
    stale: Vec<String>,
}

impl TrustKeeper {
    /// `proofs` checks with what `files` held a moment ago, as `memory` has checked it. How new that is is remembered at once.
    pub(crate) fn new(
        files: TrustFiles,
        mut memory: ListMemory,
        proofs: Arc<Proofs>,
        clock: Clock,
    ) -> TrustKeeper {
        memory.learn(&proofs.trust());
        TrustKeeper { files, memory, proofs, clock, seen: None, told: None, stale: Vec::new() }
    }

    /// Until the process ends; at once when `again` is notified.
    pub(crate) async fn run(mut self, again: Arc<Notify>) {
        loop {
            let looking = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looking.await {
                Ok(keeper) => keeper,
                Err(failed) => {
                    tracing::error!(%failed, "trusted files are looked at no more");
                    return;
                }
            };
            // Whichever comes first: nothing is lost when the time is over.
            let _ = tokio::time::timeout(Duration::from_secs(self.files.reread_s), again.notified()).await;
        }
    }

    /// Takes changed files into use, or keeps what is in use and says why.
    fn look(&mut self) {
        let refused = self.take().err();
        if let Some(mistake) = refused.as_ref().filter(|mistake| self.told.as_ref() != Some(mistake)) {
            tracing::error!(key = mistake.key, reason = mistake.reason, "trusted files kept as they were");
        }
        metrics::gauge!("atm_switch_trust_files_refused").set(if refused.is_some() { 1.0 } else { 0.0 });
        self.told = refused;
        self.memory.learn(&self.proofs.trust());
        self.tell_ages();
    }

    fn take(&mut self) -> Result<(), TrustMistake> {
        let files = self.files.files()?;
        if let Some((digest, refused)) = &self.seen
            && *digest == files.digest
        {
            return refused.clone().map_or(Ok(()), Err);
        }
        let taken = self.put_into_use(&files);
        self.seen = Some((files.digest, taken.clone().err()));
        taken
    }

    fn put_into_use(&self, files: &Files) -> Result<(), TrustMistake> {
        let new = self.files.store(files)?;
        let goes_back = new.goes_back_behind(self.memory.times());
        if let Some(issuer) = goes_back.first() {
            let reason =
                format!("the revocation list of {issuer} is older than one that was in use, or gone");
            return Err(TrustMistake { key: "crl_dir", reason });
        }
        self.proofs.replace_trust(new);
        let (certificates, lists) = (files.certificates.len(), files.lists.len());
        tracing::info!(certificates, revocation_lists = lists, "trusted files");
        Ok(())
    }

    fn tell_ages(&mut self) {
        let now_s = self.clock.now().wall_ms.div_euclid(1000);
        let trust = self.proofs.trust();
        let lists = trust.lists(now_s);
        let oldest_s = lists.iter().filter_map(|(_, age_s, _)| *age_s).max();
        let is_stale = lists.iter().filter(|(_, _, is_stale)| *is_stale);
        let stale: Vec<String> = is_stale.clone().map(|(issuer, ..)| (*issuer).to_owned()).collect();
        for (issuer, age_s, _) in
            is_stale.filter(|(issuer, ..)| !self.stale.iter().any(|told| told == issuer))
        {
            tracing::error!(issuer, age_s, "revocation list is missing or older than crl_age_s_max");
        }
        metrics::gauge!("atm_switch_crl_age_seconds").set(oldest_s.unwrap_or(0) as f64);
        metrics::gauge!("atm_switch_crl_stale").set(stale.len() as f64);
        self.stale = stale;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use credential::{SodCache, StaleList};

    use super::*;

    const CSCA: &[u8] = include_bytes!("../../credential/tests/fixtures/revoked.csca.der");
    const OTHER_CSCA: &[u8] = include_bytes!("../../credential/tests/fixtures/pss.csca.der");
    const NOBODY: &[u8] = include_bytes!("../../credential/tests/fixtures/nobody.crl");
    const SIGNER: &[u8] = include_bytes!("../../credential/tests/fixtures/signer.crl");
    const PART: &[u8] = include_bytes!("../../credential/tests/fixtures/part.crl");
    const SOD: &[u8] = include_bytes!("../../credential/tests/fixtures/revoked.sod");
    /// 2027-01-15.
    const NOW_S: i64 = 1_800_000_000;

    fn keeper(dir: &Path) -> TrustKeeper {
        for name in ["csca", "crl"] {
            std::fs::create_dir(dir.join(name)).unwrap();
        }
        std::fs::write(dir.join("csca/vietnam.der"), CSCA).unwrap();
        std::fs::write(dir.join("crl/vietnam.crl"), NOBODY).unwrap();
        start(dir)
    }

    /// As a switch starts: with what is there, and what it remembers.
    fn start(dir: &Path) -> TrustKeeper {
        let files = TrustFiles {
            csca_dir: dir.join("csca"),
            crl_dir: Some(dir.join("crl")),
            algorithms: Algorithms::all(),
            rule: ListRule { age_s_max: u64::MAX, stale: StaleList::Refuse },
            reread_s: 1,
        };
        let memory = ListMemory::open(dir).unwrap();
        let proofs = Arc::new(Proofs::new(memory.check(files.read().unwrap().trust), SodCache::new(1)));
        TrustKeeper::new(files, memory, proofs, Clock::start())
    }

    fn is_revoked(keeper: &TrustKeeper) -> bool {
        let trust = keeper.proofs.trust();
        let sod = credential::VerifiedSod::verify(SOD, &trust, NOW_S).unwrap();
        trust.check_revocation(&sod, NOW_S).is_err()
    }

    #[test]
    fn a_list_that_is_put_there_is_taken_and_never_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = keeper(dir.path());
        keeper.look();
        assert_eq!((is_revoked(&keeper), &keeper.told), (false, &None));
        std::fs::write(dir.path().join("crl/vietnam.crl"), SIGNER).unwrap();
        keeper.look();
        assert_eq!((is_revoked(&keeper), &keeper.told), (true, &None));
        std::fs::remove_file(dir.path().join("crl/vietnam.crl")).unwrap();
        for _ in 0..2 {
            keeper.look();
            assert!(is_revoked(&keeper), "the list in use stays");
            let reason = &keeper.told.as_ref().unwrap().reason;
            assert!(reason.starts_with("the revocation list of CN=CSCA,"), "{reason}");
        }
    }

    /// An authority, and its revocation list of a day in November 2026, DER.
    fn authority() -> (Vec<u8>, impl Fn(u8) -> Vec<u8>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = rcgen::Issuer::new(params, key);
        let list = move |day| {
            let list = rcgen::CertificateRevocationListParams {
                this_update: rcgen::date_time_ymd(2026, 11, day),
                next_update: rcgen::date_time_ymd(2030, 1, 1),
                crl_number: rcgen::SerialNumber::from(1_u64),
                issuing_distribution_point: None,
                revoked_certs: Vec::new(),
                key_identifier_method: rcgen::KeyIdMethod::Sha256,
            };
            list.signed_by(&issuer).unwrap().der().to_vec()
        };
        (certificate, list)
    }

    #[test]
    fn a_list_that_is_put_back_is_not_taken_behind_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        drop(keeper(dir.path()));
        std::fs::remove_file(dir.path().join("revocation-lists.json")).unwrap();
        let (certificate, of_day) = authority();
        std::fs::write(dir.path().join("csca/vietnam.der"), certificate).unwrap();
        let put = |day| std::fs::write(dir.path().join("crl/vietnam.crl"), of_day(day)).unwrap();
        // Whether the authority's cards are 91 for want of a list, and whether the files are refused.
        let look = |keeper: &mut TrustKeeper| {
            keeper.look();
            let trust = keeper.proofs.trust();
            let is_known = trust.lists(NOW_S).iter().all(|(_, age_s, is_stale)| age_s.is_some() && !is_stale);
            assert_eq!(keeper.stale.is_empty(), is_known, "alarm");
            (is_known, keeper.told.as_ref().map(|mistake| mistake.reason.clone()))
        };
        put(5);
        let mut first = start(dir.path());
        assert_eq!(look(&mut first), (true, None), "a start that remembers nothing learns");
        put(9);
        assert_eq!(look(&mut first), (true, None));
        drop(first);
        put(8);
        for _ in 0..2 {
            let mut again = start(dir.path());
            let (is_known, told) = look(&mut again);
            assert!(!is_known, "as for a missing list");
            let told = told.unwrap();
            assert!(told.ends_with("is older than one that was in use, or gone"), "{told}");
        }
        let mut last = start(dir.path());
        put(9);
        assert_eq!(look(&mut last), (true, None));
        put(10);
        assert_eq!(look(&mut last), (true, None));
        drop(last);
        put(9);
        assert!(!look(&mut start(dir.path())).0);
    }

    #[test]
    fn what_is_remembered_of_lists_is_its_users_alone_and_no_start_goes_on_without_it() {
        let dir = tempfile::tempdir().unwrap();
        keeper(dir.path()).look();
        let file = dir.path().join("revocation-lists.json");
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(text.contains("CN=CSCA") && !dir.path().join("revocation-lists.part").exists(), "{text}");
        let cut = &text[..text.len() / 2];
        for bad in ["", cut, "[]", &text.replacen("\"issuer_sha256\": \"", "\"issuer_sha256\": \"+", 1)] {
            std::fs::write(&file, bad).unwrap();
            let error = ListMemory::open(dir.path()).unwrap_err();
            assert!(error.starts_with(&file.display().to_string()), "{error}");
            assert!(error.ends_with("take it away: a start without it learns from them"), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_changes_nothing_until_it_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = keeper(dir.path());
        keeper.look();
        let before = keeper.proofs.trust().generation();
        let path = dir.path().join("csca/other.der");
        std::fs::write(&path, &OTHER_CSCA[1..]).unwrap();
        for _ in 0..2 {
            keeper.look();
            let told = keeper.told.clone().unwrap();
            assert_eq!(told.key, "csca_dir");
            assert!(told.reason.starts_with(&path.display().to_string()), "{}", told.reason);
            assert_eq!(keeper.proofs.trust().generation(), before);
        }
        std::fs::write(&path, OTHER_CSCA).unwrap();
        keeper.look();
        assert_eq!((&keeper.told, keeper.proofs.trust().len()), (&None, 2));
        assert_ne!(
            keeper.proofs.trust().generation(),
            before,
            "cached security objects are not believed any more"
        );
        std::fs::write(&path, b"").unwrap();
        keeper.look();
        std::fs::write(&path, OTHER_CSCA).unwrap();
        keeper.look();
        assert_eq!(keeper.told, None, "the same files as before the mistake");
    }

    /// One bad file in `crl_dir` refused the start, also where it was not the list in use.
    #[test]
    fn a_start_leaves_a_list_that_cannot_be_used_aside_and_all_others_serve() {
        let dir = tempfile::tempdir().unwrap();
        drop(keeper(dir.path()));
        let (certificate, of_day) = authority();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("csca/other.der"), certificate).unwrap();
        std::fs::write(path("crl/vietnam.crl"), SIGNER).unwrap();
        let forged = {
            let mut list = of_day(9);
            *list.last_mut().unwrap() ^= 1;
            list
        };
        let cut = format!("-----BEGIN X509 CRL-----\n{}\n", BASE64_STANDARD.encode(of_day(9)));
        let strangers = authority().1(9);
        std::os::unix::fs::symlink("nowhere", path("crl/a-link.crl")).unwrap();
        let bad: [(&str, &[u8], &str); 7] = [
            ("garbage.crl", b"<html>404</html>", "not an X.509 revocation list"),
            ("empty.crl", b"", "not an X.509 revocation list"),
            ("forged.crl", &forged, "the list's signature is wrong"),
            ("cut.crl", cut.as_bytes(), ""),
            ("large.crl", b"", "has more than 8388608 bytes"),
            ("part.crl", PART, "a critical extension"),
            ("strangers.crl", &strangers, "no trusted authority"),
        ];
        for (name, bytes, _) in bad {
            std::fs::write(path("crl").join(name), bytes).unwrap();
        }
        std::fs::File::create(path("crl/large.crl")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        let mut keeper = start(dir.path());
        let told = keeper.files.read().unwrap().left_aside();
        let link = ("a-link.crl", &b""[..], "No such file");
        for (name, _, reason) in bad.into_iter().chain([link]) {
            let front = format!("{}: {reason}", path("crl").join(name).display());
            let of_it: Vec<&String> = told.iter().filter(|line| line.starts_with(&front)).collect();
            assert_eq!(of_it.len(), 1, "{front} in {told:#?}");
        }
        assert_eq!(told.len(), bad.len() + 1);
        let stale = |keeper: &TrustKeeper| {
            let trust = keeper.proofs.trust();
            trust.lists(NOW_S).iter().map(|(_, _, is_stale)| *is_stale).collect::<Vec<_>>()
        };
        for _ in 0..2 {
            keeper.look();
            assert_eq!(keeper.told.as_ref().unwrap().key, "crl_dir", "refused from the start on");
            assert!(is_revoked(&keeper), "the good list serves");
            assert_eq!(keeper.stale.len(), 1, "the other authority is as one without a list");
        }
        for (name, ..) in bad.into_iter().chain([link]) {
            std::fs::remove_file(path("crl").join(name)).unwrap();
        }
        std::fs::write(path("crl/other.crl"), of_day(9)).unwrap();
        keeper.look();
        assert_eq!((&keeper.told, stale(&keeper)), (&None, vec![false, false]));
        drop(keeper);

        std::fs::write(path("crl/other.crl"), of_day(8)).unwrap();
        std::fs::write(path("crl/garbage.crl"), b"garbage").unwrap();
        let keeper = start(dir.path());
        assert_eq!(stale(&keeper).iter().filter(|is_stale| **is_stale).count(), 1, "put back: not taken");
    }

    #[test]
    fn authorities_are_read_whole_or_no_switch_starts() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = keeper(dir.path());
        let path = dir.path().join("csca/other.der");
        std::fs::write(&path, b"garbage").unwrap();
        let mistake = keeper.files.read().unwrap_err();
        assert_eq!(mistake.key, "csca_dir");
        assert!(mistake.reason.starts_with(&path.display().to_string()), "{}", mistake.reason);
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_dir_all(dir.path().join("crl")).unwrap();
        assert_eq!(keeper.files.read().unwrap_err().key, "crl_dir", "a directory that is not there");
    }

    #[test]
    fn files_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = keeper(dir.path());
        let large = std::fs::File::create(dir.path().join("crl/large.crl")).unwrap();
        large.set_len(FILE_BYTES_MAX + 1).unwrap();
        keeper.look();
        assert!(keeper.told.take().unwrap().reason.ends_with("has more than 8388608 bytes"));
        std::fs::remove_file(dir.path().join("crl/large.crl")).unwrap();
        (0..FILES_MAX).for_each(|n| std::fs::write(dir.path().join(format!("crl/{n}")), NOBODY).unwrap());
        keeper.look();
        assert!(keeper.told.as_ref().unwrap().reason.ends_with("holds more than 1000 files"));
        let started = keeper.files.read().unwrap();
        assert!(
            started.trust.lists(NOW_S).iter().all(|(_, age_s, _)| age_s.is_some()),
            "the first by name serve"
        );
        assert_eq!(started.left_aside().len(), 1);
        (0..FILES_MAX).for_each(|n| std::fs::write(dir.path().join(format!("crl/{n}")), b"garbage").unwrap());
        let told = keeper.files.read().unwrap().left_aside();
        assert_eq!(told.len(), LEFT_ASIDE_TOLD_MAX + 1);
        assert_eq!(told.last().unwrap(), "and 981 more like these");
    }
}
