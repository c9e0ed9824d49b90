//! The data elements of ISO 8583:1987, one row each, as all built-in dialects share them.
//!
//! docs/interface.md says what the switch uses DE48, DE112-115, DE120-122 for; where a row is not the standard's, its
//! comment says why.

use crate::element::Kind::{
    Alphanumeric as An, Binary as B, Numeric as N, NumericSpecial as Ns, Printable as Ans, Signed as Xn,
    Track as Z,
};
use crate::element::Length::{self, Fixed, Ll, Lll};
use crate::element::Sensitivity::{self, Account, Open, Personal, Secret};
use crate::element::{Form, Kind};

/// A row before a dialect has said how it is written.
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) sensitivity: Sensitivity,
}

const fn row(number: u8, kind: Kind, length: Length, sensitivity: Sensitivity, name: &'static str) -> Row {
    Row { number, name, form: Form { kind, length }, sensitivity }
}

/// Every data element but 1 and 65, which are bitmaps. In ascending order.
#[rustfmt::skip]
pub(crate) const ROWS: [Row; 126] = [
    row(2, N, Ll(19), Account, "primary account number"),
    row(3, N, Fixed(6), Open, "processing code"),
    row(4, N, Fixed(12), Open, "amount, transaction"),
    row(5, N, Fixed(12), Open, "amount, settlement"),
    row(6, N, Fixed(12), Open, "amount, cardholder billing"),
    row(7, N, Fixed(10), Open, "transmission date and time"),
    row(8, N, Fixed(8), Open, "amount, cardholder billing fee"),
    row(9, N, Fixed(8), Open, "conversion rate, settlement"),
    row(10, N, Fixed(8), Open, "conversion rate, cardholder billing"),
    row(11, N, Fixed(6), Open, "system trace audit number"),
    row(12, N, Fixed(6), Open, "time, local transaction"),
    row(13, N, Fixed(4), Open, "date, local transaction"),
    row(14, N, Fixed(4), Personal, "date, expiration"),
    row(15, N, Fixed(4), Open, "date, settlement"),
    row(16, N, Fixed(4), Open, "date, conversion"),
    row(17, N, Fixed(4), Open, "date, capture"),
    row(18, N, Fixed(4), Open, "merchant type"),
    row(19, N, Fixed(3), Open, "acquiring institution country code"),
    row(20, N, Fixed(3), Open, "primary account number country code"),
    row(21, N, Fixed(3), Open, "forwarding institution country code"),
    row(22, N, Fixed(3), Open, "point of service entry mode"),
    row(23, N, Fixed(3), Open, "card sequence number"),
    row(24, N, Fixed(3), Open, "network international identifier"),
    row(25, N, Fixed(2), Open, "point of service condition code"),
    row(26, N, Fixed(2), Open, "point of service PIN capture code"),
    row(27, N, Fixed(1), Open, "authorization identification response length"),
    row(28, Xn, Fixed(8), Open, "amount, transaction fee"),
    row(29, Xn, Fixed(8), Open, "amount, settlement fee"),
    row(30, Xn, Fixed(8), Open, "amount, transaction processing fee"),
    row(31, Xn, Fixed(8), Open, "amount, settlement processing fee"),
    row(32, N, Ll(11), Open, "acquiring institution identification code"),
    row(33, N, Ll(11), Open, "forwarding institution identification code"),
    row(34, Ns, Ll(28), Account, "primary account number, extended"),
    row(35, Z, Ll(37), Secret, "track 2 data"),
    // The standard says n, but track 3 has separators: ISO/IEC 4909 gives it the characters of track 2.
    row(36, Z, Lll(104), Secret, "track 3 data"),
    row(37, An, Fixed(12), Open, "retrieval reference number"),
    row(38, An, Fixed(6), Open, "authorization identification response"),
    row(39, An, Fixed(2), Open, "response code"),
    row(40, An, Fixed(3), Open, "service restriction code"),
    row(41, Ans, Fixed(8), Open, "card acceptor terminal identification"),
    row(42, Ans, Fixed(15), Open, "card acceptor identification code"),
    row(43, Ans, Fixed(40), Open, "card acceptor name and location"),
    // The standard says an for 44 to 48, but track 1 holds `^` and `/`, and the others are used for free text.
    row(44, Ans, Ll(25), Personal, "additional response data"),
    row(45, Ans, Ll(76), Secret, "track 1 data"),
    row(46, Ans, Lll(999), Personal, "additional data, ISO"),
    row(47, Ans, Lll(999), Personal, "additional data, national"),
    row(48, Ans, Lll(999), Personal, "additional data, private"),
    // The standard says a or n; the switch uses the numeric codes of ISO 4217.
    row(49, N, Fixed(3), Open, "currency code, transaction"),
    row(50, N, Fixed(3), Open, "currency code, settlement"),
    row(51, N, Fixed(3), Open, "currency code, cardholder billing"),
    row(52, B, Fixed(8), Secret, "PIN block"),
    row(53, N, Fixed(16), Open, "security related control information"),
    row(54, An, Lll(120), Personal, "additional amounts"),
    row(55, Ans, Lll(999), Personal, "reserved, ISO"),
    row(56, Ans, Lll(999), Personal, "reserved, ISO"),
    row(57, Ans, Lll(999), Personal, "reserved, national"),
    row(58, Ans, Lll(999), Personal, "reserved, national"),
    row(59, Ans, Lll(999), Personal, "reserved, national"),
    row(60, Ans, Lll(999), Personal, "reserved, private"),
    row(61, Ans, Lll(999), Personal, "reserved, private"),
    row(62, Ans, Lll(999), Personal, "reserved, private"),
    row(63, Ans, Lll(999), Personal, "reserved, private"),
    row(64, B, Fixed(8), Open, "message authentication code"),
    row(66, N, Fixed(1), Open, "settlement code"),
    row(67, N, Fixed(2), Open, "extended payment code"),
    row(68, N, Fixed(3), Open, "receiving institution country code"),
    row(69, N, Fixed(3), Open, "settlement institution country code"),
    row(70, N, Fixed(3), Open, "network management information code"),
    row(71, N, Fixed(4), Open, "message number"),
    row(72, N, Fixed(4), Open, "message number, last"),
    row(73, N, Fixed(6), Open, "date, action"),
    row(74, N, Fixed(10), Open, "credits, number"),
    row(75, N, Fixed(10), Open, "credits, reversal number"),
    row(76, N, Fixed(10), Open, "debits, number"),
    row(77, N, Fixed(10), Open, "debits, reversal number"),
    row(78, N, Fixed(10), Open, "transfers, number"),
    row(79, N, Fixed(10), Open, "transfers, reversal number"),
    row(80, N, Fixed(10), Open, "inquiries, number"),
    row(81, N, Fixed(10), Open, "authorizations, number"),
    row(82, N, Fixed(12), Open, "credits, processing fee amount"),
    row(83, N, Fixed(12), Open, "credits, transaction fee amount"),
    row(84, N, Fixed(12), Open, "debits, processing fee amount"),
    row(85, N, Fixed(12), Open, "debits, transaction fee amount"),
    row(86, N, Fixed(16), Open, "credits, amount"),
    row(87, N, Fixed(16), Open, "credits, reversal amount"),
    row(88, N, Fixed(16), Open, "debits, amount"),
    row(89, N, Fixed(16), Open, "debits, reversal amount"),
    row(90, N, Fixed(42), Open, "original data elements"),
    row(91, An, Fixed(1), Open, "file update code"),
    row(92, An, Fixed(2), Open, "file security code"),
    row(93, An, Fixed(5), Open, "response indicator"),
    row(94, An, Fixed(7), Open, "service indicator"),
    row(95, An, Fixed(42), Open, "replacement amounts"),
    row(96, B, Fixed(8), Secret, "message security code"),
    row(97, Xn, Fixed(16), Open, "amount, net settlement"),
    row(98, Ans, Fixed(25), Personal, "payee"),
    row(99, N, Ll(11), Open, "settlement institution identification code"),
    row(100, N, Ll(11), Open, "receiving institution identification code"),
    row(101, Ans, Ll(17), Open, "file name"),
    row(102, Ans, Ll(28), Account, "account identification 1"),
    row(103, Ans, Ll(28), Account, "account identification 2"),
    row(104, Ans, Lll(100), Personal, "transaction description"),
    row(105, Ans, Lll(999), Personal, "reserved, ISO"),
    row(106, Ans, Lll(999), Personal, "reserved, ISO"),
    row(107, Ans, Lll(999), Personal, "reserved, ISO"),
    row(108, Ans, Lll(999), Personal, "reserved, ISO"),
    row(109, Ans, Lll(999), Personal, "reserved, ISO"),
    row(110, Ans, Lll(999), Personal, "reserved, ISO"),
    row(111, Ans, Lll(999), Personal, "reserved, ISO"),
    // Reserved for national use: the citizen card's proof, and the chip's security object in three parts.
    row(112, B, Lll(999), Personal, "citizen card proof"),
    row(113, B, Lll(999), Personal, "chip security object, part 1"),
    row(114, B, Lll(999), Personal, "chip security object, part 2"),
    row(115, B, Lll(999), Personal, "chip security object, part 3"),
    row(116, Ans, Lll(999), Personal, "reserved, national"),
    row(117, Ans, Lll(999), Personal, "reserved, national"),
    row(118, Ans, Lll(999), Personal, "reserved, national"),
    row(119, Ans, Lll(999), Personal, "reserved, national"),
    // Reserved for private use: keys, PIN blocks of ISO 9564 format 4, key serial numbers of ANSI X9.24.
    row(120, Ans, Lll(999), Secret, "key block"),
    row(121, B, Fixed(16), Secret, "PIN block, format 4"),
    row(122, B, Lll(12), Open, "key serial number"),
    row(123, Ans, Lll(999), Personal, "reserved, private"),
    row(124, Ans, Lll(999), Personal, "reserved, private"),
    row(125, Ans, Lll(999), Personal, "reserved, private"),
    row(126, Ans, Lll(999), Personal, "reserved, private"),
    row(127, Ans, Lll(999), Personal, "reserved, private"),
    row(128, B, Fixed(8), Open, "message authentication code"),
];

/// The numbers of the rows are 2 to 128 in order, without 65: a slip in the table does not compile.
const _: () = {
    let mut index = 0;
    while index < ROWS.len() {
        let number = index as u8 + 2;
        assert!(ROWS[index].number == if number < 65 { number } else { number + 1 });
        index += 1;
    }
};
