//! Who may come in, and whom to go to: addresses, TLS, and for which terminals a certificate speaks. A reload of the
//! configuration replaces a door; a connection keeps the one that it came through.

use mutant::Mutant;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use processor::TerminalId;
use rustls::CommonState;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::networks::{Networks, one_host};
use super::stream::{Ended, Stream, prepare};
use crate::config::{IssuerLinkSettings, TerminalLinkSettings};
use crate::tls::{ClientTls, ServerTls, common_name, expires_soon, now_s};

/// The terminals that one certificate speaks for.
pub type Speaker = Arc<HashSet<TerminalId>>;

/// The terminals' door.
#[derive(Debug)]
pub struct TerminalDoor {
    allow: Networks,
    tls: Option<ServerTls>,
    /// By the common name of a certificate.
    speakers: HashMap<String, Speaker>,
}

impl TerminalDoor {
    /// As `[terminals]` and each `[[terminal]]` have it.
    pub fn new(settings: &TerminalLinkSettings) -> TerminalDoor {
        let mut speakers: HashMap<String, HashSet<TerminalId>> = HashMap::new();
        for (terminal, name) in &settings.certificates {
            speakers.entry(name.clone()).or_default().insert(*terminal);
        }
        TerminalDoor {
            allow: settings.allow.clone(),
            tls: settings.tls.as_ref().map(|tls| tls.server.clone()),
            speakers: speakers.into_iter().map(|(name, terminals)| (name, Arc::new(terminals))).collect(),
        }
    }

    /// Whether connections go through TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn allows(&self, address: IpAddr) -> bool {
        self.allow.allow(address) || mutant::is(Mutant::AddressNotLookedAt)
    }

    /// Shakes hands where there is TLS. The terminals that the other side's certificate speaks for; `None`: in clear, where
    /// keys alone say who speaks.
    pub(super) async fn enter(
        &self,
        stream: TcpStream,
        handshakes: &Handshakes,
    ) -> Result<(Stream, Option<Speaker>), Ended> {
        let Some(tls) = &self.tls else { return Ok((Stream::Clear(stream), None)) };
        let shaking = async {
            // Whoever says nothing takes no place.
            stream.readable().await?;
            let _place = handshakes.places.acquire().await.map_err(|_| Ended::Stopped)?;
            TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await.map_err(Ended::Handshake)
        };
        let stream = timeout(handshakes.time_max, shaking).await.map_err(|_| Ended::SlowHandshake)??;
        let name = peer(stream.get_ref().1, "terminal").ok_or(Ended::Unnamed)?;
        match self.speakers.get(&name) {
            None if mutant::is(Mutant::CertificateOfNobody) => {
                Ok((Stream::Tls(Box::new(stream.into())), None))
            }
            Some(speaker) => Ok((Stream::Tls(Box::new(stream.into())), Some(Arc::clone(speaker)))),
            None => Err(Ended::SpeaksForNobody(name)),
        }
    }
}

/// Handshakes of terminals that may be under way, and how long each may take.
#[derive(Debug)]
pub struct Handshakes {
    places: Semaphore,
    time_max: Duration,
}

impl Handshakes {
    /// So many at once, each so long; without TLS there are none.
    pub fn new(settings: &TerminalLinkSettings) -> Handshakes {
        let (count_max, ms_max) =
            settings.tls.as_ref().map_or((0, 0), |tls| (tls.handshakes_max, tls.handshake_ms_max));
        Handshakes { places: Semaphore::new(count_max), time_max: Duration::from_millis(ms_max) }
    }
}

/// Connections of each address, so that no one takes the room of all.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    each_max: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, for as long as it lives.
#[derive(Debug)]
pub(super) struct Caller {
    address: IpAddr,
    callers: Callers,
}

impl Callers {
    pub(super) fn new(each_max: usize) -> Callers {
        Callers { each_max, counts: Arc::default() }
    }

    /// `None`: the address has its share already.
    pub(super) fn let_in(&self, address: IpAddr) -> Option<Caller> {
        let address = one_host(address);
        let mut counts = self.lock();
        let count = counts.entry(address).or_insert(0);
        if *count >= self.each_max && !mutant::is(Mutant::AddressTakesAll) {
            return None;
        }
        *count += 1;
        Some(Caller { address, callers: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().expect("nothing panics while it holds the counts")
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut counts = self.callers.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// The way to one bank.
#[derive(Debug)]
pub struct BankDoor {
    allow: Networks,
    tls: Option<ClientTls>,
}

impl BankDoor {
    /// As its `[[issuer]]` has it.
    pub fn new(settings: &IssuerLinkSettings) -> BankDoor {
        BankDoor { allow: settings.allow.clone(), tls: settings.tls.clone() }
    }

    /// Whether connections go through TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects to the first of the host's addresses that may be talked to and answers; in clear on loopback alone, whatever
    /// the host's name has come to.
    pub(super) async fn connect(&self, host: &str) -> Result<Stream, Ended> {
        let mut last = Ended::NotAllowed;
        for address in lookup_host(host).await? {
            if !self.allow.allow(address.ip()) {
                continue;
            }
            if self.tls.is_none() && !is_loopback(address) {
                last = Ended::InClear(address);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    prepare(&stream)?;
                    return self.shake(stream).await;
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    async fn shake(&self, stream: TcpStream) -> Result<Stream, Ended> {
        let Some(tls) = &self.tls else { return Ok(Stream::Clear(stream)) };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), stream).await.map_err(Ended::Handshake)?;
        // For its warning alone: what it has to name was checked in the handshake.
        let _ = peer(stream.get_ref().1, "bank");
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// An address that no message leaves the machine for.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback() || mutant::is(Mutant::ClearLinkAnywhere)
}

/// Whom the other side's certificate names. One that ends soon is told of at each new connection.
fn peer(connection: &CommonState, side: &'static str) -> Option<String> {
    let (name, not_after_s) = common_name(connection.peer_certificates()?.first()?)?;
    if let Some(days) = expires_soon(not_after_s, now_s()) {
        tracing::warn!(side, name, days, "the other side's certificate ends soon");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let callers = Callers::new(2);
        let [near, far]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let first = callers.let_in(near).unwrap();
        let _second = callers.let_in(near).unwrap();
        assert!(callers.let_in(near).is_none());
        assert!(callers.let_in("::ffff:10.0.0.1".parse().unwrap()).is_none(), "the same address");
        assert!(callers.let_in(far).is_some());
        drop(first);
        assert!(callers.let_in(near).is_some());
        assert_eq!(callers.lock().len(), 1, "who has left is forgotten");
    }

    #[tokio::test]
    async fn a_host_that_is_not_loopback_is_not_talked_to_in_clear() {
        let open = BankDoor { allow: Networks::default(), tls: None };
        // Refused before a packet leaves: the address is a documentation one (RFC 5737).
        assert!(matches!(open.connect("192.0.2.1:9").await, Err(Ended::InClear(_))));
        let shut = BankDoor { allow: Networks(vec!["10.0.0.0/8".parse().unwrap()]), tls: None };
        assert!(matches!(shut.connect("127.0.0.1:9").await, Err(Ended::NotAllowed)));
    }
}
