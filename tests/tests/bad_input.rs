//! Frames that are cut, flipped and lie about their length, from terminals and from a bank: nobody else notices.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use iso8583::{Dialect, Message, Mti};
use keys::{LinkCodec, Received};
use simulators::bank::no_faults;
use simulators::terminal::{Steps, What};
use tests::goldens::goldens;
use tests::spoiled_bank::{Spoil, SpoiledBank};
use tests::world::{BARE_TERMINAL, Issuer, PATIENCE, World, bare_keys};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What the resident memory may grow by between the first batch and the last, KiB: buffers of some tens of connections
/// and the allocator's own, far below what the frames have in all.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

/// Frames in one write: fewer than answers may wait for a terminal that does not read.
const FLOOD: usize = 200;

/// Bits that are turned, in turn: a digit stays a digit, and ASCII stays no ASCII.
const MASKS: [u8; 2] = [0x01, 0x80];

/// STANs of the probes: no golden message has them.
const FIRST_PROBE: u64 = 500_000;

/// How often something happened.
type Tally = BTreeMap<String, usize>;

/// A whole frame that is wrong inside.
struct Wrong {
    name: String,
    frame: Vec<u8>,
    /// What may come of it: "30", "63", "closed", or "nothing" for what is itself an answer.
    allowed: &'static [&'static str],
}

/// A golden message as the bare terminal would sign it.
struct Signed {
    name: String,
    payload: Vec<u8>,
    is_answerable: bool,
}

fn signed() -> Vec<Signed> {
    let keys = bare_keys();
    let sign = |golden: tests::goldens::Golden| {
        let message = Dialect::ascii_1987().parse(&golden.bytes).unwrap().to_message();
        let mut frame = Vec::new();
        LinkCodec::terminal().send(&message, Some(&keys), &mut frame).unwrap();
        let is_ours = message.text(41) == Some(BARE_TERMINAL);
        Signed {
            name: golden.name,
            payload: frame.split_off(2),
            is_answerable: is_ours && !message.mti().is_response(),
        }
    };
    goldens("ascii-1987").into_iter().map(sign).collect()
}

fn framed(length: usize, payload: &[u8]) -> Vec<u8> {
    [&(length as u16).to_be_bytes(), payload].concat()
}

impl Signed {
    /// Its length knows where it ends, and that is too early.
    fn cut(&self) -> Vec<Wrong> {
        let one = |end: usize| Wrong {
            name: format!("{} cut at {end}", self.name),
            frame: framed(end, &self.payload[..end]),
            allowed: allowed(&self.payload[..end]),
        };
        (1..self.payload.len()).map(one).collect()
    }

    /// Each byte is another, in each way.
    fn flipped(&self) -> Vec<Wrong> {
        let one = |(at, mask): (usize, u8)| {
            let mut payload = self.payload.clone();
            payload[at] ^= mask;
            let in_mac = at >= payload.len() - keys::MAC_BYTES;
            Wrong {
                name: format!("{} flipped at {at} by {mask:02x}", self.name),
                allowed: if in_mac && self.is_answerable { &["63"] } else { allowed(&payload) },
                frame: framed(payload.len(), &payload),
            }
        };
        let places = (0..self.payload.len()).flat_map(|at| MASKS.map(|mask| (at, mask)));
        places.map(one).collect()
    }

    /// What is no frame when the stream ends, or is followed by what is none.
    fn lying(&self) -> Vec<(String, Vec<u8>)> {
        let length = self.payload.len();
        let flipped = [0x0001, 0x0080, 0x0100, 0x8000].map(|mask| length ^ mask);
        let said = [0, 1, length / 2, length - 1, length + 1, length + 1_000, 40_960, 40_961, 0xFFFF];
        let one = |said: usize| (format!("{} says {said}", self.name), framed(said, &self.payload));
        said.into_iter().chain(flipped).map(one).collect()
    }

    /// The first bytes of its frame and no more.
    fn begun(&self) -> Vec<(String, Vec<u8>)> {
        let frame = framed(self.payload.len(), &self.payload);
        let one = |end: usize| (format!("{} begun, {end} bytes", self.name), frame[..end].to_vec());
        (1..frame.len()).map(one).collect()
    }
}

/// An answer is not answered, whatever it is like.
fn allowed(payload: &[u8]) -> &'static [&'static str] {
    match payload.get(2) {
        Some(function) if function.is_ascii_digit() && function & 1 == 1 => &["nothing", "closed"],
        Some(_) | None => &["30", "63", "closed"],
    }
}

/// A connection of the bare terminal.
struct Bare {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Bare {
    async fn dial(address: SocketAddr) -> Bare {
        Bare { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    /// The next answer, whose MAC must be good; `None` at the connection's end.
    async fn answer(&mut self, name: &str) -> Option<Message> {
        let keys = bare_keys();
        loop {
            match LinkCodec::terminal().receive(&self.buffer, |_| Some(&keys)).unwrap() {
                Received::Message { consumed, message, mac } => {
                    assert_eq!(mac, Ok(()), "{name}");
                    self.buffer.drain(..consumed);
                    return Some(*message);
                }
                Received::Incomplete => {}
                other => panic!("{name}: {other:?}"),
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            match read.unwrap_or_else(|_| panic!("{name}: neither an answer nor an end")) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

fn network(code: &str, stan: u64) -> Vec<u8> {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, "0315021530").set_number(11, stan, 6).set_text(41, BARE_TERMINAL).set_text(70, code);
    let mut frame = Vec::new();
    LinkCodec::terminal().send(&message, Some(&bare_keys()), &mut frame).unwrap();
    frame
}

/// A 0200 whose MAC is wrong.
fn forged_request(stan: u64) -> Vec<u8> {
    let mut message = Message::new(Mti::new(200));
    message.set_text(7, "0315021530").set_number(11, stan, 6).set_text(41, BARE_TERMINAL);
    let mut frame = Vec::new();
    LinkCodec::terminal().send(&message, Some(&bare_keys()), &mut frame).unwrap();
    *frame.last_mut().unwrap() ^= 1;
    frame
}

/// The next good client.
async fn signs_on(address: SocketAddr) {
    let mut bare = Bare::dial(address).await;
    bare.stream.write_all(&network("001", 1)).await.unwrap();
    let answer = bare.answer("a good client").await.expect("a good client is answered");
    assert_eq!((answer.mti(), answer.text(39)), (Mti::new(810), Some("00")));
}

/// Sends whole frames, as many on a connection as it survives, and with each a forged request that must be answered 63 unless
/// the frame has closed the connection: requests are taken last, so what comes before that answer is what the frame has brought.
async fn offer(address: SocketAddr, wrong: &[Wrong]) -> Tally {
    let mut tally = Tally::new();
    let mut open = None;
    for (wrong, stan) in wrong.iter().zip(FIRST_PROBE..) {
        let mut bare = match open.take() {
            Some(bare) => bare,
            None => Bare::dial(address).await,
        };
        bare.stream.write_all(&[wrong.frame.clone(), forged_request(stan)].concat()).await.unwrap();
        let mut said = Vec::new();
        let is_open = loop {
            match bare.answer(&wrong.name).await {
                None => break false,
                Some(answer) if (answer.number(11), answer.text(39)) == (Some(stan), Some("63")) => {
                    break true;
                }
                Some(answer) => said.push(answer.text(39).unwrap().to_owned()),
            }
        };
        let said = match (&said[..], is_open) {
            ([], true) => "nothing".to_owned(),
            ([], false) => "closed".to_owned(),
            (said, _) => said.join(" "),
        };
        assert!(wrong.allowed.contains(&&*said), "{}: {said}", wrong.name);
        *tally.entry(said).or_default() += 1;
        open = is_open.then_some(bare);
    }
    signs_on(address).await;
    tally
}

/// Sends many forged frames in one write: each is answered.
async fn flood(address: SocketAddr, signed: &Signed) {
    let mut forged = signed.payload.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut bare = Bare::dial(address).await;
    bare.stream.write_all(&framed(forged.len(), &forged).repeat(FLOOD)).await.unwrap();
    for number in 0..FLOOD {
        let answer = bare.answer(&format!("forged frame {number} of many")).await;
        assert_eq!(answer.expect("the connection stays").text(39), Some("63"));
    }
}

/// Sends bytes and no more, on connections of their own. Nothing but refusals may come back, and then the end: at once where
/// the terminal has ended its own half, after the frame's time where it has not.
async fn break_off(address: SocketAddr, all: Vec<(String, Vec<u8>)>, ends: bool) -> Tally {
    let mut tally = Tally::new();
    for (name, bytes) in all {
        let mut bare = Bare::dial(address).await;
        bare.stream.write_all(&bytes).await.unwrap();
        if ends {
            // The switch may have closed it already.
            let _ = bare.stream.shutdown().await;
        }
        while let Some(answer) = bare.answer(&name).await {
            assert!(matches!(answer.text(39), Some("30" | "63")), "{name}: {answer:?}");
            *tally.entry(answer.text(39).unwrap().to_owned()).or_default() += 1;
        }
        *tally.entry("closed".to_owned()).or_default() += 1;
    }
    signs_on(address).await;
    tally
}

/// All that can be wrong with one message.
async fn spoil(address: SocketAddr, signed: Signed) -> Tally {
    let mut tally = Tally::new();
    let mut add =
        |part: Tally| part.into_iter().for_each(|(said, count)| *tally.entry(said).or_default() += count);
    add(offer(address, &signed.flipped()).await);
    add(offer(address, &signed.cut()).await);
    let begun = break_off(address, signed.begun(), true).await;
    assert_eq!(
        begun.keys().collect::<Vec<_>>(),
        ["closed"],
        "{}: what is not whole is not answered",
        signed.name
    );
    add(begun);
    add(break_off(address, signed.lying(), true).await);
    let waiting = framed(signed.payload.len() + 1, &signed.payload);
    add(break_off(address, vec![(format!("{} and a byte that never comes", signed.name), waiting)], false)
        .await);
    tally
}

/// Resident memory of a process, KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn assert_no_panic(world: &World) {
    let told = std::fs::read_to_string(world.switch.stderr_path()).unwrap();
    assert!(!told.contains("panicked"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_cut_flipped_or_lying_is_refused_and_the_next_client_served() {
    let mut world = World::start(no_faults()).await;
    world.bank_ready().await;
    let pid = world.switch.pid();
    let address = world.terminals;
    let warm_up = signed().into_iter().find(|signed| signed.name == "0200-withdrawal").unwrap();
    flood(address, &warm_up).await;
    spoil(address, warm_up).await;
    let warm_kib = resident_kib(pid);
    let mut jobs = JoinSet::new();
    for signed in signed() {
        jobs.spawn(spoil(address, signed));
    }
    let mut tally = Tally::new();
    while let Some(part) = jobs.join_next().await {
        part.unwrap().into_iter().for_each(|(said, count)| *tally.entry(said).or_default() += count);
    }
    println!("{tally:?}");
    assert_eq!(tally.keys().collect::<Vec<_>>(), ["30", "63", "closed", "nothing"], "each way was met");
    let grown_kib = resident_kib(pid).saturating_sub(warm_kib);
    println!("{warm_kib} KiB after the first batch, {grown_kib} KiB more after the last");
    assert!(grown_kib <= GROWTH_KIB_MAX, "{grown_kib} KiB more than {warm_kib} KiB");

    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    world.settled().await;
    assert_eq!(world.switch.pid(), pid);
    assert!(world.switch.end("TERM").success());
    assert_no_panic(&world);
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    let kinds = world.switch.log_kinds();
    let expected = ["DECLINED", "VERIFICATION", "INTENT", "OUTCOME", "COMPLETE"];
    assert_eq!(kinds, expected, "what is not authentic leaves no record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_talks_nonsense_costs_one_withdrawal_and_no_money() {
    let front = SpoiledBank::bind().await.unwrap();
    let issuer = Issuer { address: front.address().unwrap(), settings: "" };
    let mut world = World::start_with(no_faults(), Some(issuer)).await;
    let mood = front.serve(world.bank.addr());
    let pid = world.switch.pid();
    let spoils = [
        Spoil::Garbage,
        Spoil::NoMessage,
        Spoil::Half,
        Spoil::HalfAndGone,
        Spoil::LengthSmall,
        Spoil::LengthLarge,
        Spoil::Mac,
    ];
    for spoil in spoils {
        world.bank_ready().await;
        mood.set(Some(spoil));
        let said = world.visit(What::Withdrawal, 1_000_000, Steps::Two, None).await;
        assert_eq!(said, "91 Declined 0", "{spoil:?}");
        assert_eq!(world.net_minor(), 1_000_000, "{spoil:?}: the bank has debited, and knows of no reversal");
        mood.set(None);
        world.settled().await;
        world.reversals_acknowledged().await;
        assert_eq!(world.net_minor(), 0, "{spoil:?}");
    }
    world.bank_ready().await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    world.settled().await;
    assert_eq!(world.switch.pid(), pid);
    assert!(world.switch.end("TERM").success());
    assert_no_panic(&world);
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.reversed), (1, spoils.len() as u64));
}
