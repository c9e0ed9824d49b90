//! Totals of a business day: what members say by 0500 and 0520, what banks are asked by 0520, and how often.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::{Message, Mti};
use processor::{
    Body, Command, Config, Day, ENDED_DAYS_MAX, Event, Figures, Input, Side, TOTALS_COUNTING_OF_MEMBER_MAX,
    TOTALS_REMEMBERED_MAX, TOTALS_TRIES_MAX, Totals, TotalsStep, TotalsVerdict,
};
use support::*;

fn figures(values: &[(u8, i64)]) -> Figures {
    let mut figures = Figures::default();
    values.iter().for_each(|(element, value)| figures.set(*element, *value));
    figures
}

/// What the log comes to for the acquirer of HN000001.
fn ours() -> Figures {
    figures(&[(76, 2), (77, 0), (85, 6_600), (88, 4_000_000), (89, 0), (97, -4_006_600)])
}

fn counted(world: &World) -> TotalsVerdict {
    TotalsVerdict::Counted { ours: ours(), as_of: world.synced }
}

/// A 0500 of HN000001 that says these elements.
fn said(world: &mut World, says: &[(u8, &str)]) -> Message {
    let mut message = Message::new(Mti::new(500));
    let stan = world.stan();
    message.set(7, &world.de7()).set_number(11, stan, 6).set_text(41, "HN000001");
    for (element, value) in says {
        message.set_text(*element, value);
    }
    message
}

const IN_BALANCE: [(u8, &str); 2] = [(88, "0000000004000000"), (97, "C0000000004006600")];

fn totals(world: &World) -> Vec<Totals> {
    let of = |body: &Body| match body {
        Body::Totals(totals) => Some((**totals).clone()),
        _ => None,
    };
    world.log.iter().filter_map(|record| of(&record.body)).collect()
}

fn steps(world: &World) -> Vec<TotalsStep> {
    totals(world).iter().map(|totals| totals.step).collect()
}

#[test]
fn an_acquirer_is_told_our_totals_and_whether_they_are_its_own() {
    for (says, settlement, element) in [
        (&IN_BALANCE[..], "1", None),
        (&[(97, "C0000000004006600")], "1", None),
        (&[(97, "C0000000004000000")], "2", Some(97)),
        (&[(76, "0000000003"), (97, "C0000000004006600")], "2", Some(76)),
        (&[(97, "D0000000004006600")], "2", Some(97)),
        (&[(74, "0000000000")], "2", Some(74)),
    ] {
        let mut world = World::new();
        let message = said(&mut world, says);
        world.terminal(message.clone());
        let verdict = counted(&world);
        let question = world.counted(verdict);
        assert_eq!((question.side, question.member), (Side::Acquirer, institution(BIDV)));
        let answer = world.taken(TERMINAL, 510).1;
        let texts = [7, 11, 15, 39, 41, 66, 76, 85, 88, 97].map(|element| answer.text(element));
        let expected = ["0503", "00", "HN000001", settlement, "0000000002", "000000006600"].map(Some);
        assert_eq!(texts[..2], [7, 11].map(|element| message.text(element)));
        assert_eq!(texts[2..8], expected, "{says:?}");
        assert_eq!(texts[8..], ["0000000004000000", "C0000000004006600"].map(Some));
        let [recorded] = &totals(&world)[..] else { panic!("{:?}", world.log) };
        assert_eq!((recorded.step, recorded.ours), (TotalsStep::Said, ours()));
        assert_eq!(recorded.ours.agree_with(&recorded.theirs), element.is_none(), "{says:?}");
        let is_alarm = world.has_event(|event| matches!(event, Event::TotalsOutOfBalance(..)));
        assert_eq!(is_alarm, element.is_some());
    }
}

#[test]
fn an_answer_leaves_when_its_record_is_durable_and_a_repeat_gets_the_same() {
    let mut world = World::new();
    world.syncs = false;
    let message = said(&mut world, &IN_BALANCE);
    world.terminal(message.clone());
    let verdict = counted(&world);
    world.counted(verdict);
    let mut repeat = message.clone();
    repeat.set_mti(Mti::new(501));
    world.terminal(repeat.clone());
    world.silent(TERMINAL, 510);
    world.sync();
    let first = world.taken(TERMINAL, 510).1;
    assert_eq!(world.taken(TERMINAL, 510).1, first, "the repeat has waited too");
    for restarts in [false, true] {
        if restarts {
            world.restart(config());
            world.connect();
            world.sync();
        }
        world.terminal(repeat.clone());
        assert!(world.counts.is_empty(), "nothing is counted anew");
        assert_eq!(world.taken(TERMINAL, 510).1, first);
    }
    // Other figures under the same name are other content.
    repeat.set_text(88, "0000000004000001");
    world.terminal(repeat);
    let other = world.taken(TERMINAL, 510).1;
    assert_eq!([39, 66].map(|element| other.text(element)), ["94", "3"].map(Some));
    assert_eq!(totals(&world).len(), 1);
}

#[test]
fn a_repeat_that_comes_while_it_is_counted_waits_for_the_one_answer() {
    let mut world = World::new();
    let message = said(&mut world, &IN_BALANCE);
    world.terminal(message.clone());
    world.terminal(message);
    assert_eq!(world.counts.len(), 1);
    let verdict = counted(&world);
    world.counted(verdict);
    world.taken(TERMINAL, 510);
    world.silent(TERMINAL, 510);
    assert_eq!(totals(&world).len(), 1);
}

#[test]
fn what_cannot_be_compared_is_not_recorded() {
    for (says, verdict, code) in [
        (&[(88, "0000000004000000"), (97, "C00000000040066x0")][..], None, "30"),
        (&[(70, "001")], None, "30"),
        (&[(15, "0504"), (97, "C0000000000000000")], None, "95"),
        (&[(15, "0230"), (97, "C0000000000000000")], None, "30"),
        (&[(50, "840"), (97, "C0000000000000000")], None, "12"),
        (&[(15, "0401"), (97, "C0000000000000000")], Some(TotalsVerdict::DayUnknown), "95"),
        (&IN_BALANCE, Some(TotalsVerdict::Unavailable), "91"),
    ] {
        let mut world = World::new();
        let message = said(&mut world, says);
        world.terminal(message);
        if let Some(verdict) = verdict {
            world.counted(verdict);
        }
        let answer = world.taken(TERMINAL, 510).1;
        assert_eq!([39, 66].map(|element| answer.text(element)), [code, "3"].map(Some), "{says:?}");
        assert!(totals(&world).is_empty() && world.counts.is_empty());
    }
    for element in [7, 11] {
        let mut world = World::new();
        let mut message = said(&mut world, &IN_BALANCE);
        message.remove(element);
        world.terminal(message);
        assert_eq!(world.code(510), "30", "without DE{element}");
    }
}

#[test]
fn counting_is_bounded_and_its_wait_too() {
    let mut world = World::new();
    for _ in 0..TOTALS_COUNTING_OF_MEMBER_MAX {
        let message = said(&mut world, &IN_BALANCE);
        world.terminal(message);
    }
    world.silent(TERMINAL, 510);
    let one_more = said(&mut world, &IN_BALANCE);
    world.terminal(one_more);
    assert_eq!(world.code(510), "91");
    world.pass_ms(25_000);
    assert_eq!(
        world.sent.iter().filter(|(_, it)| it.text(39) == Some("91")).count(),
        TOTALS_COUNTING_OF_MEMBER_MAX
    );
    let verdict = counted(&world);
    world.counted(verdict);
    assert!(totals(&world).is_empty(), "a count that comes too late counts for nobody");
    let again = said(&mut world, &IN_BALANCE);
    world.sent.clear();
    world.counts.clear();
    world.terminal(again);
    world.input(Input::DiskFull(true));
    let verdict = counted(&world);
    world.counted(verdict);
    assert_eq!(world.code(510), "96", "a full disk takes what ends transactions alone");
}

/// A bank's 0520 that says only its net.
fn said_by_bank(world: &World, stan: u64) -> Message {
    let mut message = Message::new(Mti::new(520));
    message
        .set(7, &world.de7())
        .set_number(11, stan, 6)
        .set_text(15, "0503")
        .set_text(97, "C0000000004006600");
    message
}

/// One member that said totals without end once had all others' answered 91, and their answers forgotten.
#[test]
fn one_member_takes_no_other_s_place_and_lets_no_other_s_answer_be_forgotten() {
    let mut world = World::new();
    let first = said_by_bank(&world, 1);
    world.bank(VIETCOMBANK, first.clone());
    let verdict = counted(&world);
    world.counted(verdict);
    let answer = world.taken(bank_link(VIETCOMBANK), 530).1;

    let mut remembered = Vec::new();
    for stan in 0..=TOTALS_REMEMBERED_MAX as u64 {
        let message = said_by_bank(&world, 100 + stan);
        world.bank(BIDV, message.clone());
        let verdict = counted(&world);
        world.counted(verdict);
        remembered.push((message, world.taken(bank_link(BIDV), 530).1));
    }
    for (message, answer) in remembered.iter().skip(1) {
        world.bank(BIDV, message.clone());
        assert_eq!(world.taken(bank_link(BIDV), 530).1, *answer);
    }
    assert!(world.counts.is_empty(), "repeats are not counted anew");
    world.bank(BIDV, remembered[0].0.clone());
    assert_eq!(world.counts.len(), 1, "the oldest is new again");
    world.bank(VIETCOMBANK, first);
    assert_eq!(world.taken(bank_link(VIETCOMBANK), 530).1, answer, "the other member's stands");

    for stan in 0..TOTALS_COUNTING_OF_MEMBER_MAX as u64 {
        let message = said_by_bank(&world, 200 + stan);
        world.bank(BIDV, message);
    }
    assert_eq!(world.taken(bank_link(BIDV), 530).1.text(39), Some("91"), "one of its own waits already");
    assert_eq!(world.counts.len(), TOTALS_COUNTING_OF_MEMBER_MAX);
    for other in [VIETCOMBANK, BIDV] {
        let message = said_by_bank(&world, 300);
        let terminal = said(&mut world, &IN_BALANCE);
        match other {
            BIDV => world.terminal(terminal),
            _ => world.bank(VIETCOMBANK, message),
        }
    }
    assert_eq!(world.counts.len(), TOTALS_COUNTING_OF_MEMBER_MAX + 2, "others' wait, BIDV's as acquirer too");
}

/// Both banks are asked for their totals.
fn asking() -> Config {
    let mut config = config();
    config.issuers.values_mut().for_each(|issuer| issuer.totals = true);
    config
}

/// A world whose first day has just ended, and the count for the first bank is asked for.
fn ended() -> World {
    let mut world = World::with(asking());
    world.command(Command::Cutover("2022-05-04".parse().unwrap()));
    world.silent(bank_link(BIDV), 520);
    assert!(world.counts.is_empty(), "what is in flight may end first");
    world.pass_ms(25_000);
    assert_eq!(world.counts.len(), 2);
    world
}

fn answer(question: &Message, says: &[(u8, &str)]) -> Message {
    let mut answer = Message::new(question.mti().response());
    for element in [7, 11, 15] {
        answer.set(element, question.get(element).unwrap());
    }
    answer.set_text(39, "00").set_number(66, 1, 1);
    for (element, value) in says {
        answer.set_text(*element, value);
    }
    answer
}

#[test]
fn a_bank_is_asked_for_its_totals_once_the_day_has_ended_and_answers_with_its_own() {
    let mut world = ended();
    for bank in [BIDV, VIETCOMBANK] {
        let verdict = counted(&world);
        let question = world.counted(verdict);
        assert_eq!((question.side, question.day.to_string().as_str()), (Side::Issuer, "2022-05-03"));
        let asked = world.taken(bank_link(bank), 520).1;
        assert_eq!(
            [15, 50, 97].map(|element| asked.text(element)),
            ["0503", "704", "C0000000004006600"].map(Some)
        );
        let answer = answer(&asked, &[(88, "0000000004000000"), (97, "C0000000004000000")]);
        world.bank(bank, answer.clone());
        // An answer that comes twice says nothing new.
        world.bank(bank, answer);
    }
    use TotalsStep::{Answered, Asked};
    assert_eq!(steps(&world), [Asked, Answered, Asked, Answered]);
    assert_eq!(totals(&world)[1].theirs, figures(&[(88, 4_000_000), (97, -4_000_000)]));
    assert!(world.has_event(|event| matches!(event, Event::TotalsOutOfBalance(..))));
    world.pass_ms(3_600_000);
    world.silent(bank_link(BIDV), 521);
    world.restart(asking());
    world.connect();
    world.pass_ms(3_600_000);
    assert!(world.counts.is_empty() && steps(&world).len() == 4, "nobody is asked again");
}

#[test]
fn a_bank_that_does_not_answer_is_asked_again_and_given_up_and_may_answer_late() {
    let mut world = ended();
    let verdict = counted(&world);
    world.counted(verdict);
    let asked = world.taken(bank_link(BIDV), 520).1;
    world.pass_ms(20 * 300_000);
    let again: Vec<_> = world.sent.iter().filter(|(_, it)| it.mti().value() == 521).collect();
    assert_eq!(again.len(), TOTALS_TRIES_MAX as usize - 1);
    let name = |message: &Message| [7, 11, 97].map(|element| message.text(element).unwrap().to_owned());
    assert!(again.iter().all(|(_, it)| name(it) == name(&asked)), "it is the same each time");
    assert_eq!(steps(&world), [TotalsStep::Asked, TotalsStep::GivenUp]);
    assert!(world.has_event(|event| matches!(event, Event::TotalsUnanswered(..))));
    let late = answer(&asked, &[(97, "C0000000004006600")]);
    world.bank(BIDV, late);
    assert_eq!(steps(&world).last(), Some(&TotalsStep::Answered));
    let mut stray = answer(&asked, &[(97, "C0000000000000001")]);
    stray.set_number(11, 999_000, 6);
    world.bank(BIDV, stray);
    assert!(world.has_event(|event| matches!(event, Event::StrayAnswer(..))));
}

#[test]
fn a_question_that_was_written_down_is_sent_after_a_restart_under_its_own_name() {
    for is_sent in [false, true] {
        let mut world = ended();
        world.syncs = is_sent;
        let verdict = counted(&world);
        world.counted(verdict);
        let asked = totals(&world)[0].clone();
        world.synced = world.log.len() as u64;
        world.restart(asking());
        world.syncs = true;
        world.connect();
        world.pass_ms(25_000);
        let again = world.taken(bank_link(BIDV), 521).1;
        assert_eq!(again.number(11), Some(u64::from(asked.name.stan)), "sent before: {is_sent}");
        // The other bank's was never written down: it is counted now.
        assert_eq!(world.counted(TotalsVerdict::Unavailable).member, institution(VIETCOMBANK));
    }
}

#[test]
fn a_question_waits_for_a_connection() {
    let mut world = ended();
    world.input(Input::LinkDown(bank_link(BIDV)));
    let verdict = counted(&world);
    world.counted(verdict);
    world.silent(bank_link(BIDV), 520);
    world.sent.clear();
    world.input(Input::LinkUp(bank_link(BIDV)));
    let sign_on = world.taken(bank_link(BIDV), 800);
    world.bank_answers(&sign_on, "00");
    world.taken(bank_link(BIDV), 520);
}

#[test]
fn the_question_of_a_day_is_given_up_when_the_next_one_ends() {
    let mut world = ended();
    let verdict = counted(&world);
    world.counted(verdict);
    world.taken(bank_link(BIDV), 520);
    world.command(Command::Cutover("2022-05-05".parse().unwrap()));
    world.pass_ms(25_000);
    use TotalsStep::{Asked, GivenUp};
    assert_eq!(steps(&world), [Asked, GivenUp]);
    while !world.counts.is_empty() {
        let verdict = counted(&world);
        world.counted(verdict);
    }
    assert_eq!(asked_of(&world, BIDV), ["2022-05-03 Asked", "2022-05-03 GivenUp", "2022-05-04 Asked"]);
}

#[test]
fn a_bank_may_say_its_totals_by_itself() {
    let mut world = World::new();
    let mut message = Message::new(Mti::new(520));
    message.set(7, &world.de7()).set_number(11, 5, 6).set_text(15, "0503").set_text(97, "C0000000004006600");
    world.bank(VIETCOMBANK, message.clone());
    let verdict = counted(&world);
    let question = world.counted(verdict);
    assert_eq!((question.side, question.member), (Side::Issuer, institution(VIETCOMBANK)));
    let first = world.taken(bank_link(VIETCOMBANK), 530).1;
    assert_eq!([39, 66].map(|element| first.text(element)), ["00", "1"].map(Some));
    message.set_mti(Mti::new(521));
    world.bank(VIETCOMBANK, message.clone());
    assert_eq!(world.taken(bank_link(VIETCOMBANK), 530).1, first);
    // Another bank's name is another name.
    world.bank(BIDV, message);
    assert_eq!(world.counts.len(), 1);
}

/// Every count that is waited for is there.
fn count_all(world: &mut World) {
    while !world.counts.is_empty() {
        let verdict = counted(world);
        world.counted(verdict);
    }
}

fn cut_over_to(world: &mut World, day: &str) {
    world.command(Command::Cutover(day.parse().unwrap()));
}

/// `2022-05-03 Asked`, of one bank.
fn asked_of(world: &World, bank: &str) -> Vec<String> {
    let of_bank = |totals: &Totals| totals.member == institution(bank);
    let told = |totals: &Totals| format!("{} {:?}", totals.day, totals.step);
    totals(world).iter().filter(|totals| of_bank(totals)).map(told).collect()
}

#[test]
fn days_that_are_passed_over_are_asked_for_in_their_turn_or_given_up() {
    for restarts in [false, true] {
        let mut world = World::with(asking());
        ["2022-05-04", "2022-05-05", "2022-05-08"].iter().for_each(|day| cut_over_to(&mut world, day));
        if restarts {
            world.restart(asking());
            world.connect();
        }
        world.pass_ms(25_000);
        for _ in 0..3 {
            count_all(&mut world);
            let asked = world.taken(bank_link(BIDV), 520).1;
            let answer = answer(&asked, &[(97, "C0000000004006600")]);
            world.bank(BIDV, answer);
            world.pass_ms(1);
        }
        // The other bank says nothing: of what it is asked for while the next day waits it is asked once more.
        for _ in 0..600 {
            world.pass_ms(10_000);
            count_all(&mut world);
        }
        let of = |step: &str| ["2022-05-03", "2022-05-04", "2022-05-05"].map(|day| format!("{day} {step}"));
        let all = |steps: [[String; 3]; 2]| -> Vec<String> {
            let [first, second] = steps;
            first.into_iter().zip(second).flat_map(|(one, other)| [one, other]).collect()
        };
        assert_eq!(asked_of(&world, BIDV), all([of("Asked"), of("Answered")]), "restarts: {restarts}");
        assert_eq!(asked_of(&world, VIETCOMBANK), all([of("Asked"), of("GivenUp")]), "restarts: {restarts}");
    }
}

#[test]
fn an_ended_day_that_is_forgotten_is_given_up_first() {
    let mut world = World::with(asking());
    let first: Day = "2022-05-03".parse().unwrap();
    let later = |days: usize| Day::of_unix_ms(first.begins_ms() + days as i64 * 86_400_000).to_string();
    (1..=ENDED_DAYS_MAX).for_each(|days| cut_over_to(&mut world, &later(days)));
    assert_eq!(totals(&world), []);
    cut_over_to(&mut world, &later(ENDED_DAYS_MAX + 1));
    for bank in [BIDV, VIETCOMBANK] {
        assert_eq!(asked_of(&world, bank), [format!("{first} GivenUp")]);
    }
    assert!(world.has_event(|event| matches!(event, Event::TotalsUnanswered(..))));
    // From there on the days go on in their turn.
    world.restart(asking());
    world.connect();
    world.pass_ms(25_000);
    count_all(&mut world);
    assert_eq!(asked_of(&world, BIDV)[1..], ["2022-05-04 Asked"]);
}

#[test]
fn a_bank_that_is_new_owes_nothing_of_days_that_the_others_are_through_with() {
    let mut before = asking();
    before.issuers.get_mut(&institution(VIETCOMBANK)).unwrap().totals = false;
    let mut world = World::with(before);
    for day in ["2022-05-04", "2022-05-05"] {
        cut_over_to(&mut world, day);
        world.pass_ms(25_000);
        count_all(&mut world);
        let asked = world.taken(bank_link(BIDV), 520).1;
        let answer = answer(&asked, &[(97, "C0000000004006600")]);
        world.bank(BIDV, answer);
    }
    world.restart(asking());
    world.connect();
    world.pass_ms(1);
    count_all(&mut world);
    assert_eq!(asked_of(&world, VIETCOMBANK), ["2022-05-04 Asked"]);
}
