//! Currencies that files may be in: their numbers, letters and decimal places by ISO 4217.

/// A currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Currency {
    /// ISO 4217 numeric.
    pub number: u16,
    /// ISO 4217 alphabetic.
    pub letters: &'static str,
    /// Decimal places of its smallest unit.
    pub decimals: u32,
}

const fn currency(number: u16, letters: &'static str, decimals: u32) -> Currency {
    Currency { number, letters, decimals }
}

/// Those that a switch here may carry: its own, its neighbours', and those that are exchanged most.
pub const CURRENCIES: [Currency; 25] = [
    currency(36, "AUD", 2),
    currency(96, "BND", 2),
    currency(104, "MMK", 2),
    currency(116, "KHR", 2),
    currency(124, "CAD", 2),
    currency(156, "CNY", 2),
    currency(344, "HKD", 2),
    currency(356, "INR", 2),
    currency(360, "IDR", 2),
    currency(392, "JPY", 0),
    currency(410, "KRW", 0),
    currency(414, "KWD", 3),
    currency(418, "LAK", 2),
    currency(458, "MYR", 2),
    currency(554, "NZD", 2),
    currency(608, "PHP", 2),
    currency(643, "RUB", 2),
    currency(702, "SGD", 2),
    currency(704, "VND", 0),
    currency(756, "CHF", 2),
    currency(764, "THB", 2),
    currency(826, "GBP", 2),
    currency(840, "USD", 2),
    currency(901, "TWD", 2),
    currency(978, "EUR", 2),
];
