//! Where the pilot took place: banks, branches, machines. The banks are those of 2022; branches and dates are drawn up
//! for the replay.

/// A bank of the pilot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Institution code: DE32 of its machines, DE100 of its accounts.
    pub institution: &'static str,
    /// Its name, as people write it.
    pub name: &'static str,
    /// Its name, as DE43 can carry it.
    pub plain_name: &'static str,
    /// It joined on this day of the pilot, counted from 0.
    pub first_day: usize,
    /// So many of a hundred uses are at its machines.
    pub share_percent: usize,
}

/// The four banks: two began, two followed.
pub const BANKS: [Bank; 4] = [
    Bank { institution: "970418", name: "BIDV", plain_name: "BIDV", first_day: 0, share_percent: 38 },
    Bank {
        institution: "970415",
        name: "VietinBank",
        plain_name: "VietinBank",
        first_day: 0,
        share_percent: 34,
    },
    Bank {
        institution: "970454",
        name: "Bản Việt",
        plain_name: "Ban Viet",
        first_day: 26,
        share_percent: 10,
    },
    Bank {
        institution: "970436",
        name: "Vietcombank",
        plain_name: "Vietcombank",
        first_day: 39,
        share_percent: 18,
    },
];

/// A province of the pilot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Province {
    /// Hà Nội.
    Hanoi,
    /// Quảng Ninh.
    QuangNinh,
}

impl Province {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Province::Hanoi => "Hà Nội",
            Province::QuangNinh => "Quảng Ninh",
        }
    }

    /// As DE43 can carry it.
    fn plain_name(self) -> &'static str {
        match self {
            Province::Hanoi => "Ha Noi",
            Province::QuangNinh => "Quang Ninh",
        }
    }

    /// The front of DE41.
    pub(super) fn letters(self) -> &'static str {
        match self {
            Province::Hanoi => "HN",
            Province::QuangNinh => "QN",
        }
    }
}

/// A branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Index into [`BANKS`].
    pub bank: usize,
    /// The district, as people write it.
    pub name: &'static str,
    /// The district, as DE43 can carry it.
    pub plain_name: &'static str,
    /// The province.
    pub province: Province,
}

impl Branch {
    /// DE43 of its machines.
    pub fn location(&self) -> String {
        format!("{} {}, {}", BANKS[self.bank].plain_name, self.plain_name, self.province.plain_name())
    }
}

const fn branch(bank: usize, name: &'static str, plain_name: &'static str, province: Province) -> Branch {
    Branch { bank, name, plain_name, province }
}

/// The branches; each has one recycler and one machine that only pays out.
pub const BRANCHES: [Branch; 13] = [
    branch(0, "Hoàn Kiếm", "Hoan Kiem", Province::Hanoi),
    branch(0, "Cầu Giấy", "Cau Giay", Province::Hanoi),
    branch(0, "Hạ Long", "Ha Long", Province::QuangNinh),
    branch(0, "Cẩm Phả", "Cam Pha", Province::QuangNinh),
    branch(1, "Đống Đa", "Dong Da", Province::Hanoi),
    branch(1, "Ba Đình", "Ba Dinh", Province::Hanoi),
    branch(1, "Bãi Cháy", "Bai Chay", Province::QuangNinh),
    branch(1, "Uông Bí", "Uong Bi", Province::QuangNinh),
    branch(2, "Hai Bà Trưng", "Hai Ba Trung", Province::Hanoi),
    branch(2, "Hồng Gai", "Hong Gai", Province::QuangNinh),
    branch(3, "Hà Đông", "Ha Dong", Province::Hanoi),
    branch(3, "Tây Hồ", "Tay Ho", Province::Hanoi),
    branch(3, "Móng Cái", "Mong Cai", Province::QuangNinh),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_location_fits_into_de43() {
        for branch in &BRANCHES {
            let location = branch.location();
            assert!(
                location.len() <= 40 && location.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{location}"
            );
        }
        assert_eq!(BRANCHES[9].location(), "Ban Viet Hong Gai, Quang Ninh");
    }
}
