//! The provinces whose codes stand in front of citizen numbers.

/// A province or city under central rule, as it was when its code was given out. The mergers of 2025 change no number.
#[derive(Debug, PartialEq, Eq)]
pub struct Province {
    /// The code: 1 to 96, three digits in a number.
    pub code: u16,
    /// The name, in Vietnamese.
    pub name: &'static str,
}

impl Province {
    /// The province with this code; `None` when no province ever had it.
    pub fn by_code(code: u16) -> Option<&'static Province> {
        PROVINCES.binary_search_by_key(&code, |province| province.code).ok().map(|at| &PROVINCES[at])
    }
}

/// All provinces, ascending by code (Circular 07/2016/TT-BCA, appendix 1).
pub const PROVINCES: [Province; 63] = [
    of(1, "Hà Nội"),
    of(2, "Hà Giang"),
    of(4, "Cao Bằng"),
    of(6, "Bắc Kạn"),
    of(8, "Tuyên Quang"),
    of(10, "Lào Cai"),
    of(11, "Điện Biên"),
    of(12, "Lai Châu"),
    of(14, "Sơn La"),
    of(15, "Yên Bái"),
    of(17, "Hòa Bình"),
    of(19, "Thái Nguyên"),
    of(20, "Lạng Sơn"),
    of(22, "Quảng Ninh"),
    of(24, "Bắc Giang"),
    of(25, "Phú Thọ"),
    of(26, "Vĩnh Phúc"),
    of(27, "Bắc Ninh"),
    of(30, "Hải Dương"),
    of(31, "Hải Phòng"),
    of(33, "Hưng Yên"),
    of(34, "Thái Bình"),
    of(35, "Hà Nam"),
    of(36, "Nam Định"),
    of(37, "Ninh Bình"),
    of(38, "Thanh Hóa"),
    of(40, "Nghệ An"),
    of(42, "Hà Tĩnh"),
    of(44, "Quảng Bình"),
    of(45, "Quảng Trị"),
    of(46, "Thừa Thiên Huế"),
    of(48, "Đà Nẵng"),
    of(49, "Quảng Nam"),
    of(51, "Quảng Ngãi"),
    of(52, "Bình Định"),
    of(54, "Phú Yên"),
    of(56, "Khánh Hòa"),
    of(58, "Ninh Thuận"),
    of(60, "Bình Thuận"),
    of(62, "Kon Tum"),
    of(64, "Gia Lai"),
    of(66, "Đắk Lắk"),
    of(67, "Đắk Nông"),
    of(68, "Lâm Đồng"),
    of(70, "Bình Phước"),
    of(72, "Tây Ninh"),
    of(74, "Bình Dương"),
    of(75, "Đồng Nai"),
    of(77, "Bà Rịa - Vũng Tàu"),
    of(79, "Hồ Chí Minh"),
    of(80, "Long An"),
    of(82, "Tiền Giang"),
    of(83, "Bến Tre"),
    of(84, "Trà Vinh"),
    of(86, "Vĩnh Long"),
    of(87, "Đồng Tháp"),
    of(89, "An Giang"),
    of(91, "Kiên Giang"),
    of(92, "Cần Thơ"),
    of(93, "Hậu Giang"),
    of(94, "Sóc Trăng"),
    of(95, "Bạc Liêu"),
    of(96, "Cà Mau"),
];

const fn of(code: u16, name: &'static str) -> Province {
    Province { code, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found() {
        assert!(PROVINCES.is_sorted_by(|one, next| one.code < next.code));
        for province in &PROVINCES {
            assert_eq!(Province::by_code(province.code), Some(province));
        }
        for code in [0, 3, 5, 97, 100, 999] {
            assert_eq!(Province::by_code(code), None, "{code}");
        }
    }
}
